from .workers import scratch
