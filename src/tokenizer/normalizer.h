#pragma once

#include <memory>
#include <string>

#include "base/json.h"

namespace halftone {

/// Rewrites a text before it is cut into words.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual std::string apply(std::string text) const = 0;
};

/// The normalizer that a tokenizer.json describes; null for a null. Throws InputError, UnsupportedError.
std::unique_ptr<Normalizer> parse_normalizer(const Json& json, const std::string& source);

}  // namespace halftone
