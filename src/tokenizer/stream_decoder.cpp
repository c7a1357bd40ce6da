#include "tokenizer/decoder.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer),
      skip_special_(skip_special),
      chain_(std::make_unique<DecoderChain>(tokenizer.decoder())) {}

StreamDecoder::~StreamDecoder() = default;
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;

std::string StreamDecoder::push(TokenId id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  std::string_view piece = tokenizer_->piece(id);
  return piece.empty() ? std::string() : chain_->push(piece);
}

std::string StreamDecoder::finish() {
  return chain_->finish();
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  StreamDecoder stream(*this, skip_special);
  std::string text;
  for (TokenId id : ids) text += stream.push(id);
  text += stream.finish();
  return text;
}

}  // namespace halftone
