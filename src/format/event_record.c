// Checksums and lengths of records.
#include "format/event_record.h"

#include <pthread.h>
#include <stdbool.h>

#define RECORD_POLYNOMIAL UINT32_C(0x82f63b78) // 0x1edc6f41, bits reversed
#define RECORD_MASK UINT32_C(0xa282ead8)

static uint32_t record_table[256];
static pthread_once_t record_once = PTHREAD_ONCE_INIT;

static void record_make_table(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? RECORD_POLYNOMIAL : 0);
    record_table[byte] = crc;
  }
}

uint32_t fm_crc32c(const void *data, size_t size) {
  pthread_once(&record_once, record_make_table);
  const uint8_t *bytes = data;
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < size; i++)
    crc = crc >> 8 ^ record_table[(crc ^ bytes[i]) & 0xff];
  return ~crc;
}

uint32_t fm_crc32c_masked(const void *data, size_t size) {
  const uint32_t crc = fm_crc32c(data, size);
  return (crc >> 15 | crc << 17) + RECORD_MASK;
}

static void record_put(uint8_t *out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++)
    out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t record_get(const uint8_t *data, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++)
    value |= (uint64_t)data[i] << (8 * i);
  return value;
}

void fm_record_frame(uint8_t head[FM_RECORD_HEAD_BYTES], uint8_t foot[FM_RECORD_FOOT_BYTES],
                     const void *data, size_t size) {
  record_put(head, size, 8);
  record_put(head + 8, fm_crc32c_masked(head, 8), 4);
  record_put(foot, fm_crc32c_masked(data, size), 4);
}

int fm_record_next(fm_record *out, const uint8_t *file, size_t size, size_t *at) {
  const size_t frame = FM_RECORD_HEAD_BYTES + FM_RECORD_FOOT_BYTES;
  if (*at > size || size - *at < frame)
    return 0;
  const uint8_t *head = file + *at;
  const uint64_t length = record_get(head, 8);
  if (length > size - *at - frame || record_get(head + 8, 4) != fm_crc32c_masked(head, 8))
    return 0;
  const uint8_t *data = head + FM_RECORD_HEAD_BYTES;
  if (record_get(data + length, 4) != fm_crc32c_masked(data, (size_t)length))
    return 0;
  *out = (fm_record){data, (size_t)length};
  *at += frame + (size_t)length;
  return 1;
}
