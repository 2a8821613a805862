/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read once and kept, because a daemon that looked for a certificate later
 * might find it on its own mount, or on a disk that has gone away.
 *
 * libcurl takes authorities from memory too (CURLOPT_CAINFO_BLOB), but then
 * copies and parses all of them for each connection: with Debian's 140, 21 ms
 * and over 1 MB each. Of a path it keeps what it parsed (0.8 ms, 80 KB), so it
 * gets the path of a file that is only memory.
 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static int load(const char *path, const char *what, struct buf *ret, struct err *e)
{
	int r = sys_slurp(AT_FDCWD, path, ret);

	if (r < 0)
		return err_set(e, r, "%s '%s' cannot be read: %s", what, path, strerror(-r));
	return 0;
}

static int load_blob(const char *path, const char *what, struct curl_blob *ret, struct err *e)
{
	AUTO_BUF b = BUF(TRUST_BYTES_MAX);
	int r = load(path, what, &b, e);

	if (r < 0)
		return r;
	ret->len = b.len;
	ret->flags = CURL_BLOB_NOCOPY;
	ret->data = buf_take(&b);
	return ret->data ? 0 : err_nomem(e);
}

static int load_memory_file(const char *path, const char *what, struct memory_file *ret,
			    struct err *e)
{
	AUTO_BUF b = BUF(TRUST_BYTES_MAX);
	int r = load(path, what, &b, e);

	if (r < 0)
		return r;
	ret->fd = memfd_create("envfs-trust", MFD_CLOEXEC);
	if (ret->fd < 0)
		return err_sys(e, "%s '%s': memory for it", what, path);
	r = sys_write(ret->fd, b.bytes, b.len);
	if (r < 0)
		return err_set(e, r, "%s '%s': memory for it: %s", what, path, strerror(-r));
	(void)snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d", ret->fd);
	return 0;
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
			return load_memory_file(usual[i], "the system's certificates", &t->ca, e);
	return 0; /* https will say that nobody is trusted; http and file need none */
}

int trust_load(struct trust *t, const struct fetch_options *o, struct err *e)
{
	int r = 0;

	if (!o->insecure && o->ca_file)
		r = load_memory_file(o->ca_file, "the certificates of ssl_verify", &t->ca, e);
	else if (!o->insecure)
		r = load_system_ca(t, e);
	if (r == 0 && o->client_cert)
		r = load_blob(o->client_cert, "the client's certificate", &t->cert, e);
	/* One file often holds both. */
	if (r == 0 && o->client_cert)
		r = load_blob(o->client_key ? o->client_key : o->client_cert, "the client's key",
			      &t->key, e);
	if (r == 0 && o->netrc_file)
		r = load_memory_file(o->netrc_file, "netrc file", &t->netrc, e);
	return r;
}

void trust_done(struct trust *t)
{
	free(t->cert.data);
	/* Not to be found in freed memory. */
	if (t->key.data)
		explicit_bzero(t->key.data, t->key.len);
	free(t->key.data);
	auto_close(&t->ca.fd);
	auto_close(&t->netrc.fd);
	memset(t, 0, sizeof(*t));
	t->ca.fd = t->netrc.fd = -1;
}
