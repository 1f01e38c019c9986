"""The security headers of pages and of their files."""

#: A page runs its own scripts alone, and connects to its own server alone. Inline styles are allowed, because editors,
#: charts and component libraries create styles at run time.
PAGE_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
#: A browser applies the policy of a script to the worker that runs it.
SCRIPT_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
#: The page that says why there are no pages has no script.
NOTICE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
#: The names of files contain a hash of their content.
IMMUTABLE = "public, max-age=31536000, immutable"
