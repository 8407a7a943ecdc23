// Pickles by hand: what is built, and what is refused. Those that torch writes are
// tests/parity/torch_files.py's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "format/torch_pickle.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
// ("storage", FloatStorage, "7", "cpu", 6) as a persistent id.
#define STORAGE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0007X\3\0\0\0cpuK\6tQ"
#define TENSOR "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE

static const fm_pickle_value *read(fm_pickle **pickle, const uint8_t *data, size_t size) {
  size_t consumed;
  if (fm_pickle_read(pickle, data, size, "f", &consumed) < 0)
    fail_msg("%s", fm_error_message());
  assert_int_equal(consumed, size);
  return fm_pickle_root(*pickle);
}

static void builds_numbers_and_texts(void **state) {
  (void)state;
  fm_pickle *pickle;
  const fm_pickle_value *root =
      read(&pickle, BYTES("\x80\2(K\xffM\xff\xffJ\xff\xff\xff\xffN\x88\x89G\x3f\xf8\0\0\0\0\0\0"
                          "X\2\0\0\0hiU\1x\x8a\1\xfe\x8a\0\x8a\x09\1\2\3\4\5\6\7\x08\x09t."));
  fm_pickle_value *const *items = root->items.data;
  assert_int_equal(root->kind, FM_PICKLE_TUPLE);
  assert_int_equal(root->items.count, 12);
  assert_int_equal(items[0]->integer, 255);
  assert_int_equal(items[1]->integer, 65535);
  assert_int_equal(items[2]->integer, -1);
  assert_int_equal(items[3]->kind, FM_PICKLE_NONE);
  assert_int_equal(items[4]->integer, 1);
  assert_int_equal(items[5]->kind, FM_PICKLE_BOOL);
  assert_true(items[6]->real == 1.5);
  assert_true(fm_pickle_is_text(items[7], "hi"));
  assert_true(fm_pickle_is_text(items[8], "x"));
  assert_int_equal(items[9]->integer, -2);
  assert_int_equal(items[10]->integer, 0);
  assert_int_equal(items[11]->kind, FM_PICKLE_LONG);
  assert_int_equal(items[11]->text.size, 9);
  fm_pickle_free(pickle);
}

static void builds_containers_and_remembers_values(void **state) {
  (void)state;
  fm_pickle *pickle;
  // {"a": [1, 2], "b": ((), 3), "c": the list of "a" again}
  const fm_pickle_value *root =
      read(&pickle, BYTES("}(X\1\0\0\0a]q\5(K\1K\2eX\1\0\0\0b)K\3\x86uX\1\0\0\0ch\5s."));
  const fm_pickle_value *list = fm_pickle_get(root, "a"), *tuple = fm_pickle_get(root, "b");
  assert_int_equal(root->items.count, 6);
  assert_int_equal(list->kind, FM_PICKLE_LIST);
  assert_int_equal(list->items.count, 2);
  assert_int_equal(list->items.data[1]->integer, 2);
  assert_int_equal(tuple->kind, FM_PICKLE_TUPLE);
  assert_int_equal(tuple->items.data[0]->items.count, 0);
  assert_int_equal(tuple->items.data[1]->integer, 3);
  assert_ptr_equal(fm_pickle_get(root, "c"), list);
  fm_pickle_free(pickle);
}

// A list of pairs, copied again and again into dicts that nothing keeps.
static void memory_is_in_proportion_to_the_pickle(void **state) {
  (void)state;
  enum { PAIRS = 10000, COPIES = 5000 };
  static const char begin[] = "K\1K\2\x86q\0]q\1(", middle[] = "eccollections\nOrderedDict\nq\2";
  char *text = malloc(sizeof begin + sizeof middle + 2 * PAIRS + 7 * COPIES + 2), *end = text;
  assert_non_null(text);
  end = (char *)memcpy(end, begin, sizeof begin - 1) + sizeof begin - 1;
  for (int i = 0; i < PAIRS; i++)
    end = (char *)memcpy(end, "h\0", 2) + 2;
  end = (char *)memcpy(end, middle, sizeof middle - 1) + sizeof middle - 1;
  for (int i = 0; i < COPIES; i++)
    end = (char *)memcpy(end, "h\2h\1\x85R0", 7) + 7;
  end = (char *)memcpy(end, "N.", 2) + 2;
  fm_pickle *pickle;
  size_t consumed;
  assert_int_equal(
      fm_pickle_read(&pickle, (const uint8_t *)text, (size_t)(end - text), "f", &consumed),
      FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "f: refused: its pickle"));
  free(text);
}

static void builds_a_dict_that_holds_itself(void **state) {
  (void)state;
  fm_pickle *pickle;
  const fm_pickle_value *root = read(&pickle, BYTES("}q\0X\1\0\0\0ch\0s."));
  assert_int_equal(root->kind, FM_PICKLE_DICT);
  assert_ptr_equal(fm_pickle_get(root, "c"), root);
  assert_null(fm_pickle_get(root, "d"));
  fm_pickle_free(pickle);
}

static void builds_tensors_and_ordered_dicts(void **state) {
  (void)state;
  fm_pickle *pickle;
  const fm_pickle_value *root = read(
      &pickle, BYTES("ccollections\nOrderedDict\n)R(X\1\0\0\0w" TENSOR "K\1K\2K\2\x86K\3K\1\x86\x89"
                     "ccollections\nOrderedDict\n)RtRu}b."));
  const fm_pickle_value *tensor = fm_pickle_get(root, "w");
  assert_non_null(tensor);
  assert_int_equal(tensor->kind, FM_PICKLE_TENSOR);
  assert_int_equal(tensor->tensor.offset, 1);
  assert_int_equal(tensor->tensor.rank, 2);
  assert_int_equal(tensor->tensor.dims[0], 2);
  assert_int_equal(tensor->tensor.strides[0], 3);
  assert_int_equal(tensor->tensor.storage->storage.dtype, FM_ST_F32);
  assert_true(fm_pickle_is_text(tensor->tensor.storage->storage.key, "7"));
  size_t count;
  assert_ptr_equal(fm_pickle_storages(pickle, &count)[0], tensor->tensor.storage);
  assert_int_equal(count, 1);
  fm_pickle_free(pickle);
}

static void assert_refused(const uint8_t *data, size_t size, fm_status expected,
                           const char *words) {
  fm_pickle *pickle;
  size_t consumed;
  // At the end of a block of its own, so that a sanitizer sees a byte read too far.
  uint8_t *copy = malloc(size ? size : 1);
  assert_non_null(copy);
  memcpy(copy, data, size);
  const fm_status status = fm_pickle_read(&pickle, copy, size, "the file", &consumed);
  free(copy);
  if (status != expected || !strstr(fm_error_message(), words))
    fail_msg("status %d, \"%s\" is not in \"%s\"", status, words, fm_error_message());
  assert_null(pickle);
  assert_non_null(strstr(fm_error_message(), "the file: "));
}

static void refuses_every_name_that_is_no_tensor_or_container(void **state) {
  (void)state;
  assert_refused(BYTES("cposix\nsystem\nX\2\0\0\0id\x85R."), FM_ERR_UNSUPPORTED, "posix.system");
  assert_refused(BYTES("ctorch\nload\n."), FM_ERR_UNSUPPORTED, "torch.load");
  assert_refused(BYTES("ctorch._utils\n_rebuild_tensor_v22\n."), FM_ERR_UNSUPPORTED, "_v22");
  assert_refused(BYTES("\x8c\2os\x8c\x06system\x93."), FM_ERR_UNSUPPORTED, "os.system");
  assert_refused(BYTES("\x8c\2\x1b\n\x8c\1a\x93."), FM_ERR_UNSUPPORTED, "asks for ??.a,");
  assert_refused(BYTES("cposix\nsystem"), FM_ERR_FORMAT, "cut short");
}

static void refuses_opcodes_that_make_objects(void **state) {
  (void)state;
  // INST, OBJ, NEWOBJ, EXT1, PERSID, NEXT_BUFFER, BYTEARRAY8, EMPTY_SET, and one that is none.
  static const uint8_t opcodes[] = {'i', 'o', 0x81, 0x82, 'P', 0x97, 0x96, 0x8f, 0xff};
  for (size_t i = 0; i < sizeof opcodes; i++)
    assert_refused(&opcodes[i], 1, FM_ERR_UNSUPPORTED, "refused: opcode 0x");
  assert_refused(BYTES("K\1}b."), FM_ERR_UNSUPPORTED, "sets the state");
  assert_refused(BYTES("ctorch\nFloatStorage\n)R."), FM_ERR_UNSUPPORTED,
                 "calls torch.FloatStorage");
}

static void refuses_what_the_stack_does_not_hold(void **state) {
  (void)state;
  static const struct {
    const char *bytes, *words;
  } cases[] = {
      {"", "cut short"},
      {".", "nothing on"},
      {"t.", "no mark"},
      {"(K\1s.", "nothing on"},
      {"K\1(0R.", "nothing"},
      {"K\1K\2R.", "call"},
      {"K\1K\2a.", "no list"},
      {"](K\1u.", "no dict"},
      {"}(K\1u.", "without a value"},
      {"h\5.", "a number of no value"},
      {"(q\1.", "nothing on"},
      {"K\1Q.", "a storage without"},
      {"r\xff\xff\xff\xff.", "beyond all values"},
      {"X\xff\xff\xff\xff", "cut short"},
      {"\x8d\xff\xff\xff\xff\xff\xff\xff\xffx", "cut short"},
      {"\x80\x09.", "unknown protocol"},
      {"(K\1\x86.", "nothing on"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_refused((const uint8_t *)cases[i].bytes, strlen(cases[i].bytes), FM_ERR_FORMAT,
                   cases[i].words);
}

static void refuses_tensors_that_reach_behind_their_storage(void **state) {
  (void)state;
  static const char *const words = "reaches behind its storage";
  // The storage has 6 numbers.
  assert_refused(BYTES(TENSOR "K\0K\7\x85K\1\x85tR."), FM_ERR_FORMAT, words);
  assert_refused(BYTES(TENSOR "K\1K\6\x85K\1\x85tR."), FM_ERR_FORMAT, words);
  assert_refused(BYTES(TENSOR "K\0K\2K\3\x86K\4K\1\x86tR."), FM_ERR_FORMAT, words);
  assert_refused(BYTES(TENSOR "K\7)"
                              ")tR."),
                 FM_ERR_FORMAT, words);
  assert_refused(BYTES(TENSOR "K\6)"
                              ")tR."),
                 FM_ERR_FORMAT, words);
  assert_refused(BYTES(TENSOR "K\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"
                              "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85tR."),
                 FM_ERR_FORMAT, words);
  assert_refused(BYTES(TENSOR "J\xff\xff\xff\xffK\1\x85K\1\x85tR."), FM_ERR_FORMAT,
                 "a tensor without");
  assert_refused(BYTES(TENSOR "K\0K\1\x85)tR."), FM_ERR_FORMAT, "a tensor without");
}

static void takes_deep_and_wide_pickles_in_proportion_to_their_bytes(void **state) {
  (void)state;
  enum { SIZE = 2 << 20 };
  static const char fillers[] = {'(', ')', ']', '}', 'N', '\x88'};
  uint8_t *data = malloc(SIZE);
  assert_non_null(data);
  for (size_t i = 0; i < sizeof fillers; i++) {
    fm_pickle *pickle;
    size_t consumed;
    memset(data, fillers[i], SIZE);
    assert_int_equal(fm_pickle_read(&pickle, data, SIZE, "f", &consumed), FM_ERR_FORMAT);
  }
  free(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(builds_numbers_and_texts),
      cmocka_unit_test(builds_containers_and_remembers_values),
      cmocka_unit_test(builds_a_dict_that_holds_itself),
      cmocka_unit_test(memory_is_in_proportion_to_the_pickle),
      cmocka_unit_test(builds_tensors_and_ordered_dicts),
      cmocka_unit_test(refuses_every_name_that_is_no_tensor_or_container),
      cmocka_unit_test(refuses_opcodes_that_make_objects),
      cmocka_unit_test(refuses_what_the_stack_does_not_hold),
      cmocka_unit_test(refuses_tensors_that_reach_behind_their_storage),
      cmocka_unit_test(takes_deep_and_wide_pickles_in_proportion_to_their_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
