# The action's image: one static binary and the root certificates, nothing else.
#
# It uses only the syntax of the classic builder, which the runners of Gitea and Forgejo use: no RUN --mount, no heredoc, no
# COPY --chmod, no TARGETARCH. The target is the builder's own platform, so amd64 and arm64 build natively.

# `.ci/pin-base-image` writes the current digest of the tag after it, as @sha256:... Run it again to update the digest.
# `.ci/release check` requires a digest.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# Links glibc statically: the target and the C compiler of the base image are enough. glibc 2.34 and later contain the lookups
# in /etc/hosts and DNS, so names are resolved in an empty image. With `--target`, cargo does not pass these flags to build
# scripts and procedural macros, which cannot be static.
ENV RUSTFLAGS="-C target-feature=+crt-static"

# The dependencies have their own layer, so that a build after a change of the sources takes seconds, not minutes. cargo reads
# the manifest of each workspace member, but builds nothing in tests/.
COPY Cargo.toml Cargo.lock ./
COPY tests/registry/Cargo.toml tests/registry/
RUN mkdir -p src tests/registry/src \
    && touch tests/registry/src/lib.rs \
    && echo '//! Stands in for the library.' > src/lib.rs \
    && printf '//! Stands in for the program.\nfn main() {}\n' > src/main.rs \
    && cargo build --release --locked --package generic-packages --target "$(rustc --print host-tuple)"

# COPY keeps the times of the files, which can be older than the build above. Without `touch`, cargo would keep the empty
# library.
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --package generic-packages --target "$(rustc --print host-tuple)" \
    && mv target/*/release/generic-packages .

# There is no USER, because only root can write the runner's files for outputs and summary. The runner sets WORKDIR.
FROM scratch
LABEL org.opencontainers.image.title="generic-packages" \
      org.opencontainers.image.description="Publish release files to the generic package registry of Gitea and Forgejo, and download them, verified by SHA-256" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /build/generic-packages /
ENTRYPOINT ["/generic-packages"]
CMD ["publish"]
