// The framing of TensorFlow's record files (TFRecord), which event files are: a 64-bit length, the
// masked CRC-32C of its eight bytes, the data, the masked CRC-32C of the data; all little endian.
// Knows nothing of what the data mean.
#ifndef FM_FORMAT_EVENT_RECORD_H
#define FM_FORMAT_EVENT_RECORD_H

#include <stddef.h>
#include <stdint.h>

enum { FM_RECORD_HEAD_BYTES = 12, FM_RECORD_FOOT_BYTES = 4 };

// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
uint32_t fm_crc32c(const void *data, size_t size);
// rotated and shifted, so that a checksum of data that hold checksums is no trivial one
uint32_t fm_crc32c_masked(const void *data, size_t size);

// The bytes before and behind `size` bytes of data.
void fm_record_frame(uint8_t head[FM_RECORD_HEAD_BYTES], uint8_t foot[FM_RECORD_FOOT_BYTES],
                     const void *data, size_t size);

typedef struct fm_record {
  const uint8_t *data; // lent by the file's bytes
  size_t size;
} fm_record;

// The record at *at of a file of `size` bytes; *at moves behind it. Returns 0, and *at stays, at
// the end and before anything that is not a whole, undamaged record.
int fm_record_next(fm_record *out, const uint8_t *file, size_t size, size_t *at);

#endif
