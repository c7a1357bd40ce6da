#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace halftone {

/// One step from pieces to text. Takes strings one by one and hands on what it knows, so that a text can be
/// decoded while it grows; what it still holds comes with finish().
class DecoderStage {
 public:
  using Sink = std::function<void(std::string)>;
  virtual ~DecoderStage() = default;
  virtual std::unique_ptr<DecoderStage> fresh() const = 0;
  virtual void push(std::string piece, const Sink& next) = 0;
  virtual void finish(const Sink& next) {}
};

/// Stages one behind the other; the strings that come out of the last are put together.
class DecoderChain {
 public:
  /// No stage: pieces as they are.
  DecoderChain() = default;
  explicit DecoderChain(std::vector<std::unique_ptr<DecoderStage>> stages) : stages_(std::move(stages)) {}

  /// The same stages, at the beginning of a text.
  DecoderChain fresh() const;

  /// The text that is known now. `finish` hands out what was held back.
  std::string push(std::string_view piece);
  std::string finish();

 private:
  void feed(size_t stage, std::string piece, std::string& out);
  std::vector<std::unique_ptr<DecoderStage>> stages_;
};

/// The decoder that a tokenizer.json describes; for a null, pieces with a space between. Throws InputError,
/// UnsupportedError.
DecoderChain parse_decoder(const Json& json, const std::string& source);

/// Pieces "<0xE2>" become the bytes they name, and those UTF-8; each byte that makes no character becomes
/// U+FFFD.
std::unique_ptr<DecoderStage> make_byte_fallback_stage();

}  // namespace halftone
