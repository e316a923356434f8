"""The task center's API over HTTP: sign-in, one call with its retries, one page of tasks."""
