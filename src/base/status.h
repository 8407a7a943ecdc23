// Status codes and the message of the last failure. Who detects a failure describes it once with
// fm_fail; who calls, forwards it with FM_TRY. Messages are kept per thread.
#ifndef FM_BASE_STATUS_H
#define FM_BASE_STATUS_H

typedef enum fm_status {
  FM_OK = 0,
  FM_END = 1,           // not an error: nothing more to read
  FM_STOPPED = 2,       // not an error: a signal asked the job to end, its state is saved
  FM_ERR_MEMORY = -1,   // out of memory
  FM_ERR_IO = -2,       // a file cannot be opened, read or written
  FM_ERR_FORMAT = -3,   // a file's content is not what its format demands
  FM_ERR_ARGUMENT = -4, // an option, key or value is off (the command line exits with 2)
  FM_ERR_SHAPE = -5,    // shapes do not fit together
  FM_ERR_UNSUPPORTED = -6,
  FM_ERR_NUMERIC = -7, // a value that is not finite
} fm_status;

#define FM_MUST_USE __attribute__((warn_unused_result))

// Records the message (printf format; at most 1023 bytes, longer ones are cut) and returns
// `status`.
FM_MUST_USE fm_status fm_fail(fm_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
// The analyser reads one file at a time: this tells it that what fm_fail returns is what it is
// given.
#define fm_fail(status, ...) ((void)!fm_fail((status), __VA_ARGS__), (status))
#endif

// Puts "prefix: " before the recorded message and returns `status`; for a caller that alone knows
// the context.
FM_MUST_USE fm_status fm_fail_within(fm_status status, const char *prefix_format, ...)
    __attribute__((format(printf, 2, 3)));

// The message of this thread's last failure; "" when none. Valid until the thread's next fm_fail.
const char *fm_error_message(void);

// Forwards a failure (< 0); lets FM_OK and the positive ones pass.
#define FM_TRY(call)                   \
  do {                                 \
    fm_status fm_try_status_ = (call); \
    if (fm_try_status_ < 0)            \
      return fm_try_status_;           \
  } while (0)

// The same inside a function that cleans up: sets the local `status` and jumps to `out`.
#define FM_TRY_OUT(call) \
  do {                   \
    status = (call);     \
    if (status < 0)      \
      goto out;          \
  } while (0)

#define FM_CHECK_ALLOC(pointer)                                                   \
  do {                                                                            \
    if (!(pointer))                                                               \
      return fm_fail(FM_ERR_MEMORY, "out of memory (%s:%d)", __FILE__, __LINE__); \
  } while (0)

// Asserts for our own mistakes: always on, never reachable from a file, an option or a user's
// shape.
#define FM_ASSERT(condition) \
  ((condition) ? (void)0 : fm_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void fm_assert_failed(const char *condition, const char *file, int line);

#endif
