/* Over TLS 1.3, with one cipher for all servers: a comparison of servers, not
 * of what they prefer. No certificate is verified. */
#include "channel.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <unistd.h>

#include "connection.h"
#include "fatal.h"

const bool channel_is_plain = false;

static SSL_CTX *shared_context(void)
{
    static SSL_CTX *context;
    if (context != NULL)
        return context;
    signal(SIGPIPE, SIG_IGN);
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") != 1)
        fatal("OpenSSL has no TLS 1.3 with AES-256");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* one recv for a record, not two */
    return context;
}

void channel_open(struct channel *channel, const struct sockaddr_in *server)
{
    channel->descriptor = connection_open(server);
    SSL *tls = SSL_new(shared_context());
    if (tls == NULL || SSL_set_fd(tls, channel->descriptor) != 1)
        fatal("no memory for TLS");
    SSL_set_connect_state(tls);
    channel->tls = tls;
}

static ssize_t failed(SSL *tls, int result)
{
    int error = SSL_get_error(tls, result);
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        errno = EAGAIN;
    else if (error != SSL_ERROR_SYSCALL || errno == 0)
        errno = EPROTO;
    ERR_clear_error();
    return -1;
}

ssize_t channel_send(struct channel *channel, const char *data, size_t size)
{
    int sent = SSL_write(channel->tls, data, (int)size);
    return sent > 0 ? sent : failed(channel->tls, sent);
}

ssize_t channel_receive(struct channel *channel, char *place, size_t due, bool discard)
{
    SSL *tls = channel->tls;
    size_t got = 0;
    (void)discard; /* decrypting is copying */
    while (got <= due) {
        if (got == due && due > 0 && !SSL_has_pending(tls))
            break;
        int count = SSL_read(tls, place + got, (int)(due + 1 - got));
        if (count <= 0 && got > 0)
            break;
        if (count <= 0)
            return failed(tls, count);
        got += (size_t)count;
    }
    return (ssize_t)got;
}

static void release(struct channel *channel)
{
    SSL_free(channel->tls);
    channel->tls = NULL;
    channel->descriptor = -1;
}

void channel_close(struct channel *channel)
{
    SSL_shutdown(channel->tls);
    close(channel->descriptor);
    release(channel);
}

void channel_abort(struct channel *channel)
{
    connection_abort(channel->descriptor);
    release(channel);
}
