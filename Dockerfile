# The program as a static binary, in an image that has nothing else but the roots of trust.
#
# Classic-builder syntax only: the runners of Gitea, Forgejo and act build with it.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# A static binary against glibc; with a target given, build scripts and macros stay as they are.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# The dependencies have a layer of their own, so that a change of the sources builds in seconds. The embedded registry
# is a member of the workspace that only tests need: an empty crate stands in for it.
COPY Cargo.toml Cargo.lock ./
COPY tests/registry/Cargo.toml tests/registry/
RUN mkdir -p src tests/registry/src \
 && touch src/lib.rs tests/registry/src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && sed -i '/^\[\[test\]\]/,/^$/d' Cargo.toml \
 && rustc -vV | sed -n 's/^host: //p' > target-triple \
 && cargo build --release --locked --bin generic-packages --target "$(cat target-triple)"
COPY src src
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked --bin generic-packages --target "$(cat target-triple)" \
 && cp "target/$(cat target-triple)/release/generic-packages" /generic-packages

FROM scratch
LABEL org.opencontainers.image.title="generic-packages" \
      org.opencontainers.image.description="Publish release files to the generic package registry of Gitea and Forgejo" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /generic-packages /generic-packages
# No USER and no WORKDIR: the runner's files belong to root, and the runner chooses the folder.
ENTRYPOINT ["/generic-packages"]
CMD ["publish"]
