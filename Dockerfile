# minimr in a container: a node of a cluster, or a program that uses one.
#   docker build -t minimr .
#   docker compose up --detach     five nodes: compose.yaml
FROM python:3.11-slim
WORKDIR /minimr
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential swig \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml constraints.txt README.md LICENSE ./
# PyTorch first and pinned: asked for as a range, it brings gigabytes of CUDA.
RUN pip install --no-cache-dir "$(grep '^torch==' constraints.txt)"
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt \
    --editable ".[notebooks,video]"
