module skip-client-bench

go 1.24

require github.com/skip-client/skip-client/bindings/go v0.0.0

replace github.com/skip-client/skip-client/bindings/go => ../../bindings/go
