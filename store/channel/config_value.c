/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/config_value.h"

#include "base/limits.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct config_list *config_list_new(void)
{
	return calloc(1, sizeof(struct config_list));
}

struct config_list *config_list_free(struct config_list *l)
{
	if (l)
		config_list_done(l->items, l->count);
	free(l);
	return NULL;
}

/* Lists are short (CONFIG_ITEMS_MAX): one more place a time. */
static void *one_more(void *list, size_t count, size_t size, struct err *e)
{
	void *grown;

	if (count >= CONFIG_ITEMS_MAX) {
		(void)err_set(e, -EFBIG, "configuration: more than %d entries in a list",
			      CONFIG_ITEMS_MAX);
		return NULL;
	}
	grown = reallocarray(list, count + 1, size);
	if (!grown)
		(void)err_nomem(e);
	return grown;
}

int config_list_add(char ***items, size_t *count, const char *text, struct err *e)
{
	char **grown = one_more(*items, *count, sizeof(**items), e);

	if (!grown)
		return *count >= CONFIG_ITEMS_MAX ? -EFBIG : -ENOMEM;
	*items = grown;
	grown[*count] = strdup(text);
	if (!grown[*count])
		return err_nomem(e);
	++*count;
	return 0;
}

bool config_list_has(const struct config_list *l, const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(l->items[i], text) == 0)
			return true;
	return false;
}

void config_list_done(char **items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i]);
	free(items);
}

int config_pair_set(struct config_pair **pairs, size_t *count, const char *name, const char *value,
		    struct err *e)
{
	struct config_pair *grown;
	char *copy = strdup(value);

	if (!copy)
		return err_nomem(e);
	for (size_t i = 0; i < *count; i++) {
		if (strcmp((*pairs)[i].name, name) != 0)
			continue;
		free((*pairs)[i].value);
		(*pairs)[i].value = copy;
		return 0;
	}
	grown = one_more(*pairs, *count, sizeof(**pairs), e);
	if (grown) {
		*pairs = grown;
		grown[*count] = (struct config_pair){ strdup(name), copy };
		if (grown[*count].name) {
			++*count;
			return 0;
		}
		(void)err_nomem(e);
	}
	free(copy);
	return *count >= CONFIG_ITEMS_MAX ? -EFBIG : -ENOMEM;
}

void config_pairs_done(struct config_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
}

int config_multi_set(struct config *c, const char *name, struct config_multi **ret, struct err *e)
{
	struct config_multi *grown;

	for (size_t i = 0; i < c->custom_multichannel_count; i++) {
		struct config_multi *m = &c->custom_multichannels[i];

		if (strcmp(m->name, name) != 0)
			continue;
		config_list_done(m->channels, m->count);
		m->channels = NULL;
		m->count = 0;
		*ret = m;
		return 0;
	}
	grown = one_more(c->custom_multichannels, c->custom_multichannel_count, sizeof(*grown), e);
	if (!grown)
		return c->custom_multichannel_count >= CONFIG_ITEMS_MAX ? -EFBIG : -ENOMEM;
	c->custom_multichannels = grown;
	*ret = &grown[c->custom_multichannel_count];
	**ret = (struct config_multi){ .name = strdup(name) };
	if (!(*ret)->name)
		return err_nomem(e);
	c->custom_multichannel_count++;
	return 0;
}

/* The variable that `at` (behind a '$') names: its value, or NULL; *ret_len bytes are its name
 * with braces. */
static const char *variable(const char *at, size_t *ret_len)
{
	bool braces = at[0] == '{';
	size_t len = 0;
	char name[256];

	*ret_len = 0;
	at += braces;
	while (isalnum((unsigned char)at[len]) || at[len] == '_')
		len++;
	if (len == 0 || len >= sizeof(name) || (braces && at[len] != '}'))
		return NULL;
	memcpy(name, at, len);
	name[len] = '\0';
	*ret_len = len + 2U * braces;
	return getenv(name);
}

int config_expand(const char *text, bool tilde, struct buf *ret, struct err *e)
{
	const char *home = getenv("HOME");

	if (tilde && home && text[0] == '~' && (text[1] == '/' || !text[1])) {
		buf_adds(ret, home);
		text++;
	}
	while (*text) {
		const char *dollar = strchrnul(text, '$'), *value;
		size_t len;

		buf_add(ret, text, (size_t)(dollar - text));
		text = dollar;
		if (!*text)
			break;
		value = variable(text + 1, &len);
		if (value)
			buf_adds(ret, value);
		else
			buf_add(ret, text, len + 1);
		text += len + 1;
	}
	return buf_end(ret, e);
}

bool config_bool(const char *text, bool *ret)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = { { "true", true }, { "yes", true }, { "on", true },     { "y", true },
		      { "t", true },	{ "1", true },	 { "false", false }, { "no", false },
		      { "off", false }, { "n", false },	 { "f", false },     { "0", false },
		      { "none", false } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcasecmp(text, words[i].text) != 0)
			continue;
		*ret = words[i].value;
		return true;
	}
	return false;
}

int config_copy(char **owned, const char *text, const char **ret, struct err *e)
{
	free(*owned);
	*owned = text ? strdup(text) : NULL;
	*ret = *owned;
	return text && !*owned ? err_nomem(e) : 0;
}
