# ser in a container, with the pipelines that come with it:
#   docker build -t ser .
#   mkdir -p data reports
#   docker run --rm -v "$PWD/data:/work/data" -v "$PWD/reports:/work/reports" --user "$(id -u):$(id -g)" ser run demo
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin ser && strip target/release/ser

FROM debian:bookworm-slim
RUN useradd --create-home ser && mkdir -p /work && chown ser:ser /work
COPY --from=build /src/target/release/ser /usr/local/bin/ser
COPY --from=build --chown=ser:ser /src/pipelines /work/pipelines
USER ser
WORKDIR /work
ENTRYPOINT ["ser"]
CMD ["--help"]
