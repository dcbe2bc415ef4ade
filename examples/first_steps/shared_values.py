"""What comes back from the store: shapes, shared parts, classes of your own.

Values are pickled on their way into the store. A list may hold itself, and
objects of own classes arrive with their methods. What cannot be pickled says
how with `__reduce__`.

Watch: what is one object before may be two afterwards. Between two `get`s it
       always is; inside of one value, Ray makes two of plain lists.
From:  Ray 0.2.2's documentation, on serialisation.
Next:  put an open file, or a lock. What does the error say, and where is
       the part that cannot travel?
"""

import threading


class Account:
    """An object with a lock, which cannot be pickled: it says how."""

    def __init__(self, owner, balance=0):
        self.owner, self.balance = owner, balance
        self.lock = threading.Lock()

    def deposit(self, amount):
        """Add to the balance."""
        with self.lock:
            self.balance += amount

    def __reduce__(self):
        return Account, (self.owner, self.balance)  # makes a lock anew


def main(ray, full=False):
    """Return what the values are after their travel."""
    part = [1, 2]
    shared = ray.get(ray.put([part, part]))
    print(f"one list, twice:     {shared}, is one: {shared[0] is shared[1]}")

    loop = [1]
    loop.append(loop)
    loop = ray.get(ray.put(loop))
    print(f"holds itself:        {loop}, does so: {loop[1] is loop}")

    reference = ray.put(part)
    copies = ray.get(reference) is not ray.get(reference)
    print(f"two gets, two lists: {copies}")

    account = Account("Ada", 100)

    @ray.remote
    def interest(account, percent):
        account.deposit(account.balance * percent // 100)
        return account

    richer = ray.get(interest.remote(account, 5))
    print(f"{richer.owner} has {richer.balance}; here still {account.balance}")

    double = ray.get(ray.put(lambda number: 2 * number))
    assert shared == [part, part], "the list came back as another"
    assert loop[1] is loop, "the loop was cut"
    return copies, richer.balance, account.balance, double(21)
