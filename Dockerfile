# The action's image: one static binary and the roots of trust, nothing else.
#
# Only the syntax of the classic builder, which is what Gitea's and Forgejo's runners build with: no RUN --mount, no
# heredoc, no COPY --chmod, no TARGETARCH. The target is the builder's own, so that amd64 and arm64 build natively.

# `.ci/pin-base-image` pins this image: it looks up the digest that the tag names now and writes it behind the tag, as
# @sha256:... Run it again to renew the digest. `.ci/release check` accepts no image without one.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# Static against glibc: needs no other target and no other C compiler than the base image has. glibc 2.34 and later have
# the look-ups in /etc/hosts and DNS built in and turned on, so that names resolve in an empty image. With `--target`, cargo keeps these
# flags from build scripts and procedural macros, which can't be static.
ENV RUSTFLAGS="-C target-feature=+crt-static"

# The dependencies in a layer of their own: a change of our sources takes seconds, not minutes. cargo reads the manifest
# of each member of the workspace, but builds nothing of tests/.
COPY Cargo.toml Cargo.lock ./
COPY tests/registry/Cargo.toml tests/registry/
RUN mkdir -p src tests/registry/src \
    && touch tests/registry/src/lib.rs \
    && echo '//! Stands in for the library.' > src/lib.rs \
    && printf '//! Stands in for the program.\nfn main() {}\n' > src/main.rs \
    && cargo build --release --locked --package generic-packages --target "$(rustc --print host-tuple)"

# COPY keeps the files' times, which may be before those of the build above: cargo would take its empty library for ours.
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --package generic-packages --target "$(rustc --print host-tuple)" \
    && mv target/*/release/generic-packages .

# No USER: the runner's files for outputs and summary are writable for root only. No WORKDIR: the runner sets it.
FROM scratch
LABEL org.opencontainers.image.title="generic-packages" \
      org.opencontainers.image.description="Publish release files to the generic package registry of Gitea and Forgejo, and know that they are there" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /build/generic-packages /
ENTRYPOINT ["/generic-packages"]
CMD ["publish"]
