"""The connection to a service: client, keys, errors, limits.

- `client`: the `openai` client for each address and key; which key may be sent to which host
- `transport`: one POST and its response, on aiohttp or the `openai` client
- `network`: certificates and proxies
- `errors`: HTTP status and body to an fmnb error: how long to wait after a 429 (`retry-after`), whether to retry, keys removed from the text
- `error_codes`: what the codes and words of service errors mean
- `stream_errors`: errors that arrive inside a stream
- `connection_errors`: connections that failed, timed out or broke
- `rejected_option`: which option of a request was rejected
- `rate_headers`: limits that a service reports in headers (`x-ratelimit-*`)
- `safe_get`: a GET that reaches public hosts alone, with limits
- `addresses`: which IP addresses are public
"""
