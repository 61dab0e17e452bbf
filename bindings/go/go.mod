module github.com/skip-client/skip-client/bindings/go

go 1.24
