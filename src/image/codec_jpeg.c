// JPEG by libjpeg-turbo. The only file that includes jpeglib.h. libjpeg goes on after damage with a
// warning and invented pixels; here damage and truncation are errors.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

#include <jpeglib.h>

#include <jerror.h>

#include "image/orientation.h"

enum { CODEC_JPEG_SCANS_MAX = 200, CODEC_JPEG_MESSAGE_BYTES = JMSG_LENGTH_MAX };

typedef struct codec_jpeg {
  struct jpeg_error_mgr error; // first: libjpeg hands back a pointer to it
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  const fm_codec_input *input;
  jmp_buf jump;
  uint8_t *row; // one row of CMYK
  int orientation;
  char message[CODEC_JPEG_MESSAGE_BYTES];
} codec_jpeg;

static void codec_jpeg_on_error(j_common_ptr info) {
  codec_jpeg *codec = (codec_jpeg *)info->err;
  info->err->format_message(info, codec->message);
  longjmp(codec->jump, 1);
}

static void codec_jpeg_on_message(j_common_ptr info, int level) {
  if (level >= 0)
    return;
  switch (info->err->msg_code) { // those that mean missing or damaged picture data
  case JWRN_HIT_MARKER:
  case JWRN_HUFF_BAD_CODE:
  case JWRN_ARITH_BAD_CODE:
  case JWRN_JPEG_EOF:
  case JWRN_NOT_SEQUENTIAL:
    codec_jpeg_on_error(info);
    break;
  default:
    break;
  }
}

static void codec_jpeg_on_source(j_decompress_ptr info) {
  (void)info;
}

static boolean codec_jpeg_on_fill(j_decompress_ptr info) {
  codec_jpeg *codec = (codec_jpeg *)info->err;
  snprintf(codec->message, sizeof codec->message, "the file is truncated");
  longjmp(codec->jump, 1);
}

static void codec_jpeg_on_skip(j_decompress_ptr info, long count) {
  if (count <= 0)
    return;
  if ((unsigned long)count > info->src->bytes_in_buffer)
    codec_jpeg_on_fill(info);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= (size_t)count;
}

// An APP1 segment: two bytes of its length, which counts them, and EXIF data, or something else.
// The first one that tells an orientation counts. Nothing is kept: a file may have many of them.
static boolean codec_jpeg_on_app1(j_decompress_ptr info) {
  static const char exif[6] = "Exif\0";
  codec_jpeg *codec = (codec_jpeg *)info->err;
  const uint8_t *data = info->src->next_input_byte;
  const size_t left = info->src->bytes_in_buffer;
  const size_t length = left < 2 ? 0 : (size_t)data[0] << 8 | data[1];
  if (length < 2 || length > left)
    codec_jpeg_on_fill(info);
  if (codec->orientation == FM_UPRIGHT && length >= 2 + sizeof exif &&
      memcmp(data + 2, exif, sizeof exif) == 0)
    codec->orientation = fm_orientation_of_exif(data + 2 + sizeof exif, length - 2 - sizeof exif);
  info->src->next_input_byte += length;
  info->src->bytes_in_buffer -= length;
  return TRUE;
}

// A progressive file may repeat scans without end; each costs a pass over the whole picture.
static void codec_jpeg_on_progress(j_common_ptr info) {
  codec_jpeg *codec = (codec_jpeg *)info->err;
  if (info->is_decompressor && ((j_decompress_ptr)info)->input_scan_number > CODEC_JPEG_SCANS_MAX) {
    snprintf(codec->message, sizeof codec->message, "more than %d scans", CODEC_JPEG_SCANS_MAX);
    longjmp(codec->jump, 1);
  }
}

static void codec_jpeg_errors(codec_jpeg *codec) {
  jpeg_std_error(&codec->error);
  codec->error.error_exit = codec_jpeg_on_error;
  codec->error.emit_message = codec_jpeg_on_message;
}

static void codec_jpeg_source(codec_jpeg *codec, j_decompress_ptr info) {
  codec->source = (struct jpeg_source_mgr){
      .next_input_byte = codec->input->data,
      .bytes_in_buffer = codec->input->size,
      .init_source = codec_jpeg_on_source,
      .fill_input_buffer = codec_jpeg_on_fill,
      .skip_input_data = codec_jpeg_on_skip,
      .resync_to_restart = jpeg_resync_to_restart,
      .term_source = codec_jpeg_on_source,
  };
  codec->progress.progress_monitor = codec_jpeg_on_progress;
  info->src = &codec->source;
  info->progress = &codec->progress;
}

// (a * b) / 255, rounded, as PIL computes it.
static int codec_jpeg_scale(int a, int b) {
  int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// CMYK files come from Adobe programs, which store the inverse; arithmetic as PIL's convert("RGB").
static void codec_jpeg_from_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t count) {
  for (size_t i = 0; i < count; i++) {
    int light = cmyk[4 * i + 3];
    for (size_t c = 0; c < 3; c++) {
      int value = light - codec_jpeg_scale(255 - cmyk[4 * i + c], light);
      rgb[3 * i + c] = (uint8_t)(value < 0 ? 0 : value);
    }
  }
}

static fm_status codec_jpeg_rows(codec_jpeg *codec, j_decompress_ptr info, fm_image *out) {
  size_t row_bytes = (size_t)out->width * 3;
  bool cmyk = info->out_color_space == JCS_CMYK;
  if (cmyk) {
    codec->row = malloc((size_t)out->width * 4);
    FM_CHECK_ALLOC(codec->row);
  }
  while (info->output_scanline < info->output_height) {
    uint8_t *target = out->pixels + info->output_scanline * row_bytes;
    JSAMPROW row = cmyk ? codec->row : target;
    jpeg_read_scanlines(info, &row, 1);
    if (cmyk)
      codec_jpeg_from_cmyk(target, codec->row, (size_t)out->width);
  }
  return FM_OK;
}

static fm_status codec_jpeg_read(codec_jpeg *codec, j_decompress_ptr info, fm_image *out) {
  if (setjmp(codec->jump))
    return fm_fail(FM_ERR_FORMAT, "%s: %s", codec->input->name, codec->message);
  jpeg_create_decompress(info);
  codec_jpeg_source(codec, info);
  jpeg_set_marker_processor(info, JPEG_APP0 + 1, codec_jpeg_on_app1);
  jpeg_read_header(info, TRUE);
  FM_TRY(fm_codec_check_size(info->image_width, info->image_height, codec->input->name));
  if (codec->input->header_only) {
    *out = (fm_image){.width = (int)info->image_width, .height = (int)info->image_height};
    return FM_OK;
  }
  bool cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
  info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(info);
  FM_TRY(fm_image_new(out, (int)info->output_width, (int)info->output_height));
  FM_TRY(codec_jpeg_rows(codec, info, out));
  jpeg_finish_decompress(info);
  return FM_OK;
}

fm_status fm_jpeg_decode(fm_image *out, int *orientation, const fm_codec_input *input) {
  codec_jpeg codec = {.input = input, .orientation = FM_UPRIGHT};
  struct jpeg_decompress_struct info = {0};
  codec_jpeg_errors(&codec);
  info.err = &codec.error;
  fm_status status = codec_jpeg_read(&codec, &info, out);
  jpeg_destroy_decompress(&info);
  free(codec.row);
  *orientation = codec.orientation;
  if (status < 0)
    fm_image_release(out);
  return status;
}

static fm_status codec_jpeg_write(codec_jpeg *codec, j_compress_ptr info, const fm_image *image,
                                  int quality, FILE *stream) {
  if (setjmp(codec->jump))
    return fm_fail(FM_ERR_IO, "%s: %s", codec->input->name, codec->message);
  jpeg_create_compress(info);
  jpeg_stdio_dest(info, stream);
  info->image_width = (JDIMENSION)image->width;
  info->image_height = (JDIMENSION)image->height;
  info->input_components = 3;
  info->in_color_space = JCS_RGB;
  jpeg_set_defaults(info);
  jpeg_set_quality(info, quality, TRUE);
  jpeg_start_compress(info, TRUE);
  while (info->next_scanline < info->image_height) {
    JSAMPROW row = image->pixels + (size_t)info->next_scanline * (size_t)image->width * 3;
    jpeg_write_scanlines(info, &row, 1);
  }
  jpeg_finish_compress(info);
  return FM_OK;
}

fm_status fm_jpeg_encode(const fm_image *image, int quality, FILE *stream, const char *name) {
  fm_codec_input input = {.name = name};
  codec_jpeg codec = {.input = &input};
  struct jpeg_compress_struct info = {0};
  codec_jpeg_errors(&codec);
  info.err = &codec.error;
  fm_status status = codec_jpeg_write(&codec, &info, image, quality, stream);
  jpeg_destroy_compress(&info);
  return status;
}
