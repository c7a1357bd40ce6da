#pragma once

#include <deque>
#include <random>

#include "ops/op_schema.h"

namespace halftone {

/// One use of an operator, built by hand for a test: inputs in order, then site() or reference().
class OpRun {
 public:
  explicit OpRun(const OpSchema& schema, Attributes attributes = {}) : attributes_(std::move(attributes)) {
    site_.schema = &schema;
    site_.attributes = &attributes_;
    site_.name = "node";
  }
  OpRun(const OpRun&) = delete;

  OpRun& input(const Tensor& tensor) {
    held_.push_back(tensor);
    site_.inputs.push_back(
        {true, {tensor.dtype(), tensor.shape()}, nullptr, nullptr, {}, &held_.back().view()});
    operands_.push_back({tensor.view(), nullptr, nullptr, true});
    return *this;
  }
  /// An activation that the operator is to encode itself. `encoding` must outlive this.
  OpRun& input(const Tensor& tensor, const Encoding& encoding) {
    input(tensor);
    site_.inputs.back().encoding = &encoding;
    return *this;
  }
  /// An activation whose bytes lie as `storage` says.
  OpRun& stored(const Tensor& tensor, const Storage& storage) {
    held_.push_back(Tensor::allocate(stored_dtype(tensor.dtype(), storage), tensor.shape()));
    store_plain(tensor.view(), storage, held_.back().mutable_view());
    site_.inputs.push_back({true, {tensor.dtype(), tensor.shape()}, nullptr, nullptr, storage});
    operands_.push_back({held_.back().view(), nullptr, nullptr, true});
    return *this;
  }
  /// How the outputs are stored (plain unless said). What reference() and run_kernel() give is plain anyhow.
  OpRun& store_outputs(std::initializer_list<Storage> storages) {
    site_.output_storage = storages;
    return *this;
  }
  /// The last input has this encoding on its use.
  OpRun& encoded_use(const Encoding& encoding) {
    encodings_.push_back(encoding);
    site_.inputs.back().encoding = &encodings_.back();
    return *this;
  }
  OpRun& constant(Constant constant) {
    constants_.push_back(std::move(constant));
    const Constant& kept = constants_.back();
    site_.inputs.push_back(
        {true, {kept.dtype(), kept.shape()}, &kept, kept.encoding() ? &*kept.encoding() : nullptr});
    Operand operand{{}, nullptr, nullptr, true};
    if (kept.encoding()) {
      encoded_.push_back(kept.load_encoded("constant"));
      operand.quantized = encoded_.back().get();
    } else {
      held_.push_back(kept.load());
      operand.tensor = held_.back().view();
    }
    operands_.push_back(operand);
    return *this;
  }
  OpRun& ints(std::initializer_list<int64_t> values) {
    return constant(Constant(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values)));
  }
  OpRun& state(State& state) {
    site_.inputs.push_back({true, {DType::state, {}}, nullptr, nullptr});
    operands_.push_back({{DType::state, {}, nullptr}, nullptr, &state, true});
    return *this;
  }
  OpRun& absent() {
    site_.inputs.push_back({});
    operands_.push_back({});
    return *this;
  }
  /// An input of which only the type is known, for the shape rule.
  OpRun& type(DType dtype, const Shape& shape) {
    site_.inputs.push_back({true, {dtype, shape}, nullptr, nullptr});
    operands_.push_back({});
    return *this;
  }

  /// Leaves all but the first `kept` outputs away.
  OpRun& drop_outputs(size_t kept) {
    kept_ = kept;
    return *this;
  }

  /// With output types by the shape rule.
  const OpSite& site() {
    site_.outputs = site_.schema->infer(site_);
    if (site_.outputs.size() > kept_) site_.outputs.resize(kept_);
    return site_;
  }
  std::span<const Operand> operands() const { return operands_; }

  /// Memory for the outputs as they are stored, filled with a pattern that no result is likely to be.
  std::vector<Tensor> outputs() {
    std::vector<Tensor> tensors;
    for (size_t i = 0; i < site().outputs.size(); ++i) {
      const ValueType& type = site_.outputs[i];
      tensors.push_back(Tensor::allocate(stored_dtype(type.dtype, site_.storage_of_output(i)), type.shape));
      for (std::byte& b : tensors.back().mutable_view().bytes()) b = std::byte{0xee};
    }
    return tensors;
  }
  static std::vector<MutableTensorView> views(std::vector<Tensor>& tensors) {
    std::vector<MutableTensorView> made;
    for (Tensor& tensor : tensors) made.push_back(tensor.mutable_view());
    return made;
  }
  /// The outputs planar and of their own types.
  std::vector<Tensor> plain_outputs(std::vector<Tensor> stored) const {
    for (size_t i = 0; i < stored.size(); ++i) {
      const Storage storage = site_.storage_of_output(i);
      if (storage.plain()) continue;
      Tensor plain = Tensor::allocate(site_.outputs[i].dtype, site_.outputs[i].shape);
      load_stored(stored[i].view(), storage, plain.mutable_view());
      stored[i] = plain;
    }
    return stored;
  }

  std::vector<Tensor> reference() {
    std::vector<Tensor> made = outputs();
    const std::vector<MutableTensorView> to = views(made);
    run_reference(site_, operands_, to);
    return plain_outputs(std::move(made));
  }

 private:
  size_t kept_ = SIZE_MAX;
  Attributes attributes_;
  OpSite site_;
  std::deque<Constant> constants_;
  std::deque<Tensor> held_;
  std::deque<Encoding> encodings_;
  std::vector<std::shared_ptr<const QuantizedTensor>> encoded_;
  std::vector<Operand> operands_;
};

inline Tensor random_tensor(const Shape& shape, unsigned seed, float spread = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  for (float& x : tensor.mutable_view().span<float>()) x = normal(random);
  return tensor;
}

/// The same numbers rounded to another floating type.
inline Tensor as_type(const Tensor& tensor, DType dtype) {
  Tensor rounded = Tensor::allocate(dtype, tensor.shape());
  store_floats(to_f32(tensor).span<float>(), rounded.mutable_view(), 0);
  return rounded;
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  return {tensor.span<T>().begin(), tensor.span<T>().end()};
}
inline std::vector<float> floats(const Tensor& tensor) {
  return values<float>(to_f32(tensor));
}

}  // namespace halftone
