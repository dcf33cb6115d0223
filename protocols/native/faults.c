/* Why messages are refused: to the peer a status, to people a sentence. */
#include "http.h"

static const struct {
    int status;
    const char *text;
} faults[FAULTS] = {
    [NO_FAULT] = {400, "Nothing is wrong"},
    [BAD_METHOD] = {400, "The request does not begin with a method and one space"},
    [BAD_TARGET] = {400, "The request target is missing, or has a byte that must be encoded"},
    [BAD_TARGET_FORM] = {400, "The request target is of a form that the method does not have"},
    [BAD_AUTHORITY] = {400, "The request target names no valid host and port"},
    [BAD_VERSION] = {400, "There is no HTTP version where one must be"},
    [OTHER_VERSION] = {505, "Only HTTP/1.0 and HTTP/1.1 are spoken here"},
    [BAD_STATUS] = {400, "The status line has no status code of three digits"},
    [BAD_LINE_END] = {400, "A line does not end in exactly CR LF"},
    [LONG_LINE] = {414, "The request line is too long"},
    [LONG_HEAD] = {431, "The fields are too long"},
    [MANY_FIELDS] = {431, "There are too many fields"},
    [FOLDED] = {400, "A line begins with whitespace"},
    [BAD_NAME] = {400, "A field's name is not a token followed by a colon"},
    [BAD_VALUE] = {400, "A field's value has a control character"},
    [NO_HOST] = {400, "The Host field is missing"},
    [TWO_HOSTS] = {400, "There is more than one Host field"},
    [BAD_HOST] = {400, "The Host field is not a host with an optional port"},
    [BAD_LENGTH] = {400, "The Content-Length field is not a number of at most 18 digits"},
    [TWO_LENGTHS] = {400, "There is more than one Content-Length field"},
    [LENGTH_AND_CODING] = {400, "There are both Content-Length and Transfer-Encoding"},
    [BAD_CODING] = {400, "The Transfer-Encoding field is malformed, or chunked is not last in it"},
    [CODING_IN_1_0] = {400, "HTTP/1.0 has no Transfer-Encoding"},
    [OTHER_CODING] = {501, "The only transfer coding known here is chunked"},
    [BAD_CONNECTION] = {400, "The Connection field is not a list of tokens"},
    [BODY_OF_CONNECT] = {400, "A CONNECT request has no body"},
    [BAD_TRAILER] = {400, "A trailer field would change how the message is framed or routed"},
    [BAD_CHUNK_SIZE] = {400, "A chunk's size is not a hexadecimal number"},
    [BIG_CHUNK] = {400, "A chunk's size has more than 16 digits, or is 2^63 and above"},
    [BAD_EXTENSION] = {400, "A chunk's extension is malformed"},
    [LONG_EXTENSION] = {400, "A chunk's extension is too long"},
    [MUCH_OVERHEAD] = {400, "The chunks are mostly overhead"},
    [BAD_CHUNK_END] = {400, "A chunk's data is not followed by CR LF"},
};

int fault_status(int fault)
{
    return faults[fault].status;
}

const char *http_fault_text(uint32_t fault)
{
    return faults[fault < FAULTS ? fault : NO_FAULT].text;
}

const char *http_version(void)
{
    return REACTORLIB_VERSION;
}
