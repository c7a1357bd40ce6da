#include <csetjmp>
#include <cstdio>  // jpeglib.h uses FILE
#include <cstdlib>
#include <cstring>

// after <cstdio>
#include <jerror.h>
#include <jpeglib.h>

#include "base/error.h"
#include "vision/image/codecs.h"

namespace halftone {
namespace {

constexpr int kMaxScans = 500;  ///< a progressive file has a dozen; thousands are made to waste time

/// libjpeg reports an error by calling error_exit(), which must not return: it jumps out to guarded().
struct Errors {
  jpeg_error_mgr manager;  // first, so that cinfo->err is this
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void fail(j_common_ptr cinfo) {
  auto* errors = reinterpret_cast<Errors*>(cinfo->err);
  cinfo->err->format_message(cinfo, errors->message);
  std::longjmp(errors->jump, 1);
}

/// Warnings are small damages that every reader forgives, but for the end of the file before the picture's.
void warn(j_common_ptr cinfo, int level) {
  if (level < 0 && cinfo->err->msg_code == JWRN_JPEG_EOF) fail(cinfo);
}

void limit_scans(j_common_ptr cinfo) {
  auto* errors = reinterpret_cast<Errors*>(cinfo->err);
  if (!cinfo->is_decompressor || reinterpret_cast<j_decompress_ptr>(cinfo)->input_scan_number <= kMaxScans)
    return;
  std::snprintf(errors->message, sizeof(errors->message), "more than %d scans", kMaxScans);
  std::longjmp(errors->jump, 1);
}

void use_errors(Errors& errors) {
  jpeg_std_error(&errors.manager);
  errors.manager.error_exit = fail;
  errors.manager.emit_message = warn;
}

/// Runs `work`, which calls libjpeg and owns nothing; false when libjpeg jumped out of it.
template <class Work>
bool guarded(Errors& errors, const Work& work) {
  if (setjmp(errors.jump)) return false;
  work();
  return true;
}

/// A decompressor that is destroyed whatever happens.
struct Decompressor {
  Errors errors;
  jpeg_progress_mgr progress{};
  jpeg_decompress_struct info{};

  Decompressor() {
    use_errors(errors);
    info.err = &errors.manager;
    progress.progress_monitor = limit_scans;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

/// Four inks to RGB. Adobe's files hold them inverted (255: no ink), and they are all there is.
void rgb_from_cmyk(const uint8_t* cmyk, uint8_t* rgb, int width, bool inverted) {
  for (int x = 0; x < width; ++x)
    for (int c = 0; c < 3; ++c) {
      const int ink = inverted ? cmyk[4 * x + c] : 255 - cmyk[4 * x + c];
      const int light = inverted ? cmyk[4 * x + 3] : 255 - cmyk[4 * x + 3];
      rgb[3 * x + c] = static_cast<uint8_t>((ink * light + 127) / 255);
    }
}

}  // namespace

Image decode_jpeg(const EncodedImage& encoded) {
  Decompressor jpeg;
  auto& info = jpeg.info;
  auto broken = [&] { return InputError("{}: broken JPEG: {}", encoded.source, jpeg.errors.message); };
  const bool head = guarded(jpeg.errors, [&] {
    jpeg_create_decompress(&info);
    info.progress = &jpeg.progress;
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(encoded.bytes.data()), encoded.bytes.size());
    jpeg_read_header(&info, TRUE);
  });
  if (!head) throw broken();
  check_image_size(encoded, info.image_width, info.image_height);

  const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  Image image(static_cast<int>(info.image_width), static_cast<int>(info.image_height));
  std::vector<uint8_t> row(inks ? static_cast<size_t>(image.width) * 4 : 0);
  const bool body = guarded(jpeg.errors, [&] {
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      uint8_t* out = image.row(static_cast<int>(info.output_scanline));
      JSAMPROW target = inks ? row.data() : out;
      jpeg_read_scanlines(&info, &target, 1);
      if (inks) rgb_from_cmyk(row.data(), out, image.width, info.saw_Adobe_marker);
    }
  });
  if (!body) throw broken();
  return image;
}

std::string encode_jpeg(const Image& image, int quality) {
  Errors errors;
  jpeg_compress_struct info{};
  use_errors(errors);
  info.err = &errors.manager;
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const bool done = guarded(errors, [&] {
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &bytes, &size);
    info.image_width = static_cast<JDIMENSION>(image.width);
    info.image_height = static_cast<JDIMENSION>(image.height);
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
      auto* source = const_cast<JSAMPROW>(image.row(static_cast<int>(info.next_scanline)));
      jpeg_write_scanlines(&info, &source, 1);
    }
    jpeg_finish_compress(&info);
  });
  jpeg_destroy_compress(&info);
  const std::string file = done ? std::string(reinterpret_cast<char*>(bytes), size) : "";
  std::free(bytes);
  if (!done) throw ResourceError("JPEG of {} x {} pixels: {}", image.width, image.height, errors.message);
  return file;
}

}  // namespace halftone
