/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rooms.h"

#include <pthread.h>

struct rooms {
	pthread_mutex_t lock; /* protects the rest */
	char *kept[ROOMS_KEPT];
	size_t count;
};

int rooms_open(struct rooms **ret, struct err *e)
{
	struct rooms *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return err_nomem(e);
	(void)pthread_mutex_init(&rs->lock, NULL);
	*ret = rs;
	return 0;
}

struct rooms *rooms_free(struct rooms *rs)
{
	if (!rs)
		return NULL;
	for (size_t i = 0; i < rs->count; i++)
		free(rs->kept[i]);
	(void)pthread_mutex_destroy(&rs->lock);
	free(rs);
	return NULL;
}

char *room_take(struct rooms *rs)
{
	char *room = NULL;

	(void)pthread_mutex_lock(&rs->lock);
	if (rs->count > 0)
		room = rs->kept[--rs->count];
	(void)pthread_mutex_unlock(&rs->lock);
	return room ? room : malloc(ROOM_BYTES);
}

void room_give(struct rooms *rs, char *room)
{
	(void)pthread_mutex_lock(&rs->lock);
	if (rs->count < ROOMS_KEPT) {
		rs->kept[rs->count++] = room;
		room = NULL;
	}
	(void)pthread_mutex_unlock(&rs->lock);
	free(room);
}
