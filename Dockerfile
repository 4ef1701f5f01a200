# syntax=docker/dockerfile:1
# One image for every process: `keepsake` and the three services. The command line says which one runs.

FROM rust:1.95.0-slim-trixie AS build
WORKDIR /src
COPY . .
# Registry and target folder outlive the layer, so a changed source compiles its own crate alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release -p keepsake-cli -p command-service -p projection-workers -p query-service \
    && install -D --target-directory=/out \
      target/release/keepsake \
      target/release/command-service \
      target/release/projection-workers \
      target/release/query-service

FROM debian:trixie-slim
# The folders of keys and seeds belong to the user, and so does a new volume mounted there.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin keepsake \
    && install -d -o keepsake -g keepsake -m 0700 /var/lib/keepsake \
      /var/lib/nats-users/all /var/lib/nats-users/server /var/lib/nats-users/command-service \
      /var/lib/nats-users/projection-workers /var/lib/nats-users/migrate /var/lib/nats-users/operator
# For NATS over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/ /usr/local/bin/
USER 10001
WORKDIR /var/lib/keepsake
CMD ["keepsake", "--help"]
