# ferula in the place of prom/prometheus: the same paths, user, port and default arguments, so that a
# compose file needs another image name and nothing else. Any uid works: `user:` may name one without a
# passwd entry, as long as it may write the folder that is mounted at /prometheus.

FROM debian:bookworm-slim AS builder
RUN apt-get update && apt-get install -y --no-install-recommends make git ca-certificates
WORKDIR /src
COPY . .
RUN make build && make install DESTDIR=/out PREFIX=/usr

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates tzdata libmicrohttpd12 libcurl3-gnutls liblz4-1 libyaml-0-2 libre2-9 \
        libsnappy1v5 zlib1g libdeflate0 libnettle8 libzstd1 && \
    rm -rf /var/lib/apt/lists/*
COPY --from=builder /out/usr/bin/ferula /bin/ferula
COPY --from=builder /out/usr/bin/ferulatool /bin/ferulatool
COPY packaging/prometheus.yml /etc/prometheus/prometheus.yml
RUN ln -s ferula /bin/prometheus && mkdir -p /prometheus && \
    chown -R 65534:65534 /etc/prometheus /prometheus && chmod g+w /prometheus

# No HEALTHCHECK: prom/prometheus has none, and one that knows neither the port nor the prefix nor the
# TLS of your command line would call a healthy server ill. Ask /-/healthy and /-/ready.
USER 65534:65534
EXPOSE 9090
VOLUME ["/prometheus"]
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
