/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read once and kept, because a daemon that looked for a certificate later
 * might find it on its own mount, or on a disk that has gone away.
 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static int load(const char *path, const char *what, struct curl_blob *ret, struct err *e)
{
	AUTO_BUF b = BUF(TRUST_BYTES_MAX);
	int r = sys_slurp(AT_FDCWD, path, &b);

	if (r < 0)
		return err_set(e, r, "%s '%s' cannot be read: %s", what, path, strerror(-r));
	ret->len = b.len;
	ret->flags = CURL_BLOB_NOCOPY;
	ret->data = buf_take(&b);
	return ret->data ? 0 : err_nomem(e);
}

/* The system's own bundle, wherever this distribution keeps it. */
static int load_system_ca(struct trust *t, struct err *e)
{
	static const char *const usual[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (sys_fstatat(AT_FDCWD, usual[i], &st, 0) == 0 && S_ISREG(st.st_mode))
			return load(usual[i], "the system's certificates", &t->ca, e);
	return 0; /* https will say that nobody is trusted; http and file need none */
}

/* curl reads netrc by path and at each use: give it a file that is only memory. */
static int load_netrc(struct trust *t, const char *path, struct err *e)
{
	AUTO_BUF b = BUF(TRUST_BYTES_MAX);
	int r = sys_slurp(AT_FDCWD, path, &b);

	if (r < 0)
		return err_set(e, r, "netrc file '%s' cannot be read: %s", path, strerror(-r));
	t->netrc = memfd_create("netrc", MFD_CLOEXEC);
	if (t->netrc < 0)
		return err_sys(e, "netrc file '%s': memory for it", path);
	r = sys_write(t->netrc, b.bytes, b.len);
	if (r < 0)
		return err_set(e, r, "netrc file '%s': memory for it: %s", path, strerror(-r));
	(void)snprintf(t->netrc_path, sizeof(t->netrc_path), "/proc/self/fd/%d", t->netrc);
	return 0;
}

int trust_load(struct trust *t, const struct fetch_options *o, struct err *e)
{
	int r = 0;

	t->netrc = -1;
	if (!o->insecure && o->ca_file)
		r = load(o->ca_file, "the certificates of ssl_verify", &t->ca, e);
	else if (!o->insecure)
		r = load_system_ca(t, e);
	if (r == 0 && o->client_cert)
		r = load(o->client_cert, "the client's certificate", &t->cert, e);
	/* One file often holds both. */
	if (r == 0 && o->client_cert)
		r = load(o->client_key ? o->client_key : o->client_cert, "the client's key",
			 &t->key, e);
	if (r == 0 && o->netrc_file)
		r = load_netrc(t, o->netrc_file, e);
	return r;
}

void trust_done(struct trust *t)
{
	free(t->ca.data);
	free(t->cert.data);
	/* Not to be found in freed memory. */
	if (t->key.data)
		explicit_bzero(t->key.data, t->key.len);
	free(t->key.data);
	auto_close(&t->netrc);
	memset(t, 0, sizeof(*t));
	t->netrc = -1;
}
