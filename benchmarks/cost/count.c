/* Count the words of files, on one thread. For each distinct one print how
   often it occurs, a tab, the word and the end of the line.

   White space is ASCII's and what Python adds to it there; letters of ASCII
   become small. What lies beyond ASCII is left to the caller, once for each
   distinct word. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const unsigned char *word; /* in the text of its file, which stays */
    size_t length;
    uint64_t hash, number; /* number 0: the slot is free */
} Slot;

static Slot *slots;
static size_t size = 1 << 16, used; /* size is a power of two */

static Slot *find(const unsigned char *word, size_t length, uint64_t hash) {
    size_t i = (hash ^ hash >> 32) & (size - 1);
    while (slots[i].number && (slots[i].hash != hash ||
           slots[i].length != length || memcmp(slots[i].word, word, length)))
        i = (i + 1) & (size - 1);
    return &slots[i];
}

static void grow(void) {
    Slot *old = slots, *end = slots + size;
    slots = calloc(size *= 2, sizeof(Slot));
    if (!slots) { perror("count"); exit(1); }
    for (Slot *s = old; s < end; s++)
        if (s->number) *find(s->word, s->length, s->hash) = *s;
    free(old);
}

static void count(unsigned char *text, unsigned char *end) {
    static unsigned char small[256]; /* 0: white space */
    if (!small['a'])
        for (int c = 0; c < 256; c++)
            small[c] = (c >= 9 && c <= 13) || (c >= 28 && c <= 32) ? 0
                     : c >= 'A' && c <= 'Z' ? c + 32 : c;
    small[0] = 1; /* a NUL is part of a word; below it stays what it is */
    while (text < end) {
        unsigned char *word = text, c;
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (; text < end && (c = small[*text]); text++) {
            if (*text) *text = c;
            hash = (hash ^ c) * 1099511628211u;
        }
        if (text > word) {
            Slot *slot = find(word, text - word, hash);
            if (!slot->number) *slot = (Slot){word, text - word, hash, 0};
            if (!slot->number++ && ++used * 2 > size) grow();
        }
        text++; /* the white space */
    }
}

int main(int argc, char **argv) {
    slots = calloc(size, sizeof(Slot));
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file || fseek(file, 0, SEEK_END)) { perror(argv[i]); return 1; }
        size_t bytes = ftell(file);
        rewind(file);
        unsigned char *text = malloc(bytes + 1);
        if (!text || fread(text, 1, bytes, file) != bytes) {
            perror(argv[i]);
            return 1;
        }
        fclose(file);
        int mark = bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3);
        count(text + 3 * mark, text + bytes);
    }
    for (Slot *s = slots; s < slots + size; s++)
        if (s->number) {
            printf("%llu\t", (unsigned long long)s->number);
            fwrite(s->word, 1, s->length, stdout);
            putchar('\n');
        }
    return fflush(stdout) != 0;
}
