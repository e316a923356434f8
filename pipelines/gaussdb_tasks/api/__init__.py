"""The task center over HTTP: sign-in, one call with its retries, one page of tasks."""
