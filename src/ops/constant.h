#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/tensor.h"
#include "scheme/quantized_tensor.h"

namespace halftone {

/// Where the numbers of a constant come from: a mapped file, memory, a generator. Loading may be dear, so
/// callers load when they need the bytes and let go afterwards.
class ConstantSource {
 public:
  virtual ~ConstantSource() = default;
  /// The floating (or integer) tensor.
  virtual Tensor load() const = 0;
  /// The tensor already encoded, when the source has it so (a quantized checkpoint); null otherwise.
  virtual std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& /*encoding*/) const {
    return nullptr;
  }
  /// What the numbers follow from beside the contents of mapped files ("" where that is all): the same text,
  /// the same numbers. Nothing where they must be looked at.
  virtual std::optional<std::string> told_by() const { return std::nullopt; }
};

/// A constant value of a graph: type, shape, source, and the encoding it is to be stored and computed in.
///
/// A floating constant with an encoding is rounded to nearest when its codes are first asked for; algorithms
/// that know better set the codes themselves.
class Constant {
 public:
  Constant() = default;
  explicit Constant(Tensor tensor);
  explicit Constant(std::shared_ptr<const QuantizedTensor> encoded);
  Constant(DType dtype, const Shape& shape, std::shared_ptr<const ConstantSource> source);

  DType dtype() const {
    return dtype_;
  }  ///< of the numbers it stands for (f32 for encoded ones without a floating original)
  const Shape& shape() const { return shape_; }
  const std::optional<Encoding>& encoding() const { return encoding_; }
  void set_encoding(const Encoding& encoding);
  void set_encoded(std::shared_ptr<const QuantizedTensor> encoded);

  /// The floating numbers: the original where there is one, the decoded codes otherwise.
  Tensor load() const;
  /// Codes under encoding(), made now unless they exist. `name` is for errors. Requires an encoding.
  std::shared_ptr<const QuantizedTensor> load_encoded(const std::string& name) const;
  /// Codes that an algorithm chose; null where they are made when they are asked for.
  const std::shared_ptr<const QuantizedTensor>& chosen_codes() const { return encoded_; }
  /// As of sources; codes that are made when they are asked for follow from the same and from encoding().
  std::optional<std::string> told_by() const {
    return source_ && !encoded_ ? source_->told_by() : std::nullopt;
  }
  /// Bytes as stored: codes and scales under an encoding, elements otherwise.
  double stored_bytes() const;

 private:
  DType dtype_ = DType::f32;
  Shape shape_;
  std::shared_ptr<const ConstantSource> source_;
  std::optional<Encoding> encoding_;
  std::shared_ptr<const QuantizedTensor> encoded_;
};

}  // namespace halftone
