// Damaged event files: records lie inside the file, one behind the other.
#include <stdlib.h>
#include <string.h>

#include "format/event_record.h"
#include "fuzz.h"

// Makes the checksum of the first length fit, so that wild lengths are looked at.
static void repair(uint8_t *data, size_t size) {
  if (size < FM_RECORD_HEAD_BYTES)
    return;
  const uint32_t sum = fm_crc32c_masked(data, 8);
  for (int i = 0; i < 4; ++i)
    data[8 + i] = (uint8_t)(sum >> (8 * i));
}

static void run(const uint8_t *data, size_t size) {
  size_t at = 0, before = 0;
  fm_record record;
  while (fm_record_next(&record, data, size, &at)) {
    fuzz_require(record.data == data + before + FM_RECORD_HEAD_BYTES,
                 "a record begins at its place");
    fuzz_require(at - before == record.size + FM_RECORD_HEAD_BYTES + FM_RECORD_FOOT_BYTES,
                 "a record ends where the next begins");
    fuzz_require(at <= size, "a record lies in the file");
    before = at;
  }
  fuzz_require(at == before, "what is no record is not passed over");
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"event_record", 20000, repair, run};
  uint8_t file[256];
  size_t used = 0;
  for (size_t length = 0; length < 60; length += 17) {
    uint8_t *data = file + used + FM_RECORD_HEAD_BYTES;
    memset(data, (int)length, length);
    fm_record_frame(file + used, data + length, data, length);
    used += length + FM_RECORD_HEAD_BYTES + FM_RECORD_FOOT_BYTES;
  }
  fuzz_input seeds[] = {fuzz_copy(file, used)};
  return fuzz_main(&target, seeds, 1, argc, argv);
}
