module skip-client-bench

go 1.22
