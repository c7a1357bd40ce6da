#include "ops/gather/gather.h"

#include <cstring>

#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/gather/gather_kernels.h"
#include "backend/float_site.h"
#include "ops/movement.h"
#include "scheme/number_format.h"

namespace halftone::cuda {
namespace {

Stored stored_as(DType dtype) {
  return dtype == DType::f32   ? Stored::single_precision
         : dtype == DType::f16 ? Stored::half_precision
                               : Stored::brain_float;
}

GatherIndices indices_of(const KernelRun& run, int axis) {
  const Operand& indices = run.inputs[1];
  return {pointer<void>(indices), indices.tensor.dtype == DType::i64, indices.tensor.shape.elements(),
          run.site.input_shape(0)[axis]};
}

/// Slices of numbers, or of codes as they are.
class GatherSlices : public CudaKernel {
 public:
  explicit GatherSlices(const OpSite& site)
      : axis_(axis_attribute(site, "axis", 0, site.input_shape(0).rank())),
        missing_(missing(site.outputs[0].dtype, site.storage_of_output(0))) {}

  void run(const KernelRun& run) const override {
    const Shape& shape = run.site.input_shape(0);
    const MutableTensorView& out = run.outputs[0];
    const int64_t elements = out.shape.elements();
    if (elements == 0) return;
    int64_t outer = 1, inner = 1;
    for (int a = 0; a < axis_; ++a) outer *= shape[a];
    for (int a = axis_ + 1; a < shape.rank(); ++a) inner *= shape[a];
    const GatherIndices at = indices_of(run, axis_);
    const DType dtype = stored_dtype(run.site.inputs[0].type.dtype, run.site.inputs[0].storage);
    if (dtype != out.dtype) {
      device().launch(
          gather_floats_kernel, thread_each(elements),
          {at, pointer<void>(run.inputs[0]), pointer<float>(out), outer, inner, stored_as(dtype)});
      return;
    }
    const int64_t size = static_cast<int64_t>(dtype_bytes(dtype));
    const bool wide = inner * size % 16 == 0 && all_aligned_16(run.inputs[0].tensor.data, out.data);
    const int64_t word = wide ? 16 : size;
    device().launch(gather_copy_kernel, thread_each(elements * size / word),
                    {at, pointer<void>(run.inputs[0]), out.data, outer, inner * size / word,
                     static_cast<int>(word), missing_});
  }

 private:
  /// 16 bytes of what stands where an index is outside.
  static Words4 missing(DType dtype, const Storage& storage) {
    const DType stored = stored_dtype(dtype, storage);
    const int64_t count = 16 / static_cast<int64_t>(dtype_bytes(stored));
    Tensor filled = Tensor::allocate(dtype, {count}), as_stored = Tensor::allocate(stored, {count});
    fill_missing(filled.mutable_view(), 0, count);
    store_plain(filled.view(), storage, as_stored.mutable_view());
    Words4 words;
    std::memcpy(&words, as_stored.view().data, sizeof(words));
    return words;
  }

  int axis_;
  Words4 missing_;
};

/// Rows of a quantized constant, which lies in device memory as it is stored.
class GatherCodes : public CudaKernel {
 public:
  explicit GatherCodes(const OpSite& site) {
    const auto table = site.inputs[0].constant->load_encoded(std::string(site.name));
    const QuantizedTensor::Parts& parts = table->parts();
    const Encoding& encoding = parts.encoding;
    const ScaleGrid& grid = table->grid();
    args_.columns = table->columns();
    args_.row_bytes = parts.codes.shape()[1];
    args_.lines = grid.rows;
    args_.groups = grid.groups;
    args_.group = grid.group;
    args_.bits = encoding.format->bits();
    args_.codes = place<uint8_t>(parts.codes);
    if (encoding.double_quant_block) {
      args_.stored = Stored::single_precision;
      args_.scales = place<void>(plain_scales(*table));
    } else {
      args_.stored = stored_as(encoding.scale_dtype);
      args_.scales = place<void>(parts.scales);
    }
    if (!parts.zeros.empty())
      args_.zeros = place<uint8_t>(parts.zeros);
    else if (encoding.format->is_integer() && !encoding.real_minimum)
      args_.zero = static_cast<float>(1 << (args_.bits - 1));
    if (!parts.minima.empty()) args_.minima = place<void>(parts.minima);
    if (!encoding.format->is_integer()) args_.levels = place<float>(levels_of(parts));
  }

  bool keeps(size_t i) const override { return i == 0; }
  size_t packed_bytes() const override { return bytes_; }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    GatherCodesArgs args = args_;
    args.at = indices_of(run, 0);
    args.out = pointer<float>(run.outputs[0]);
    device().launch(gather_codes_kernel, {{static_cast<int>(args.at.count)}, 128, 0}, args);
  }

 private:
  template <class T>
  const T* place(const Tensor& part) {
    memory_.push_back(upload(part.view().bytes(), "an embedding table"));
    bytes_ += part.size_bytes();
    return reinterpret_cast<const T*>(memory_.back().get());
  }

  static Tensor plain_scales(const QuantizedTensor& table) {
    const ScaleGrid& grid = table.grid();
    Tensor scales = Tensor::allocate(DType::f32, {grid.rows, grid.groups});
    for (int64_t row = 0; row < grid.rows; ++row)
      table.row_scales(row, scales.mutable_view().span<float>().subspan(
                                static_cast<size_t>(row * grid.groups), static_cast<size_t>(grid.groups)));
    return scales;
  }

  /// The number of each code under scale 1.
  static Tensor levels_of(const QuantizedTensor::Parts& parts) {
    const NumberFormat& format = *parts.encoding.format;
    std::vector<uint8_t> codes(size_t{1} << format.bits());
    for (size_t code = 0; code < codes.size(); ++code) codes[code] = static_cast<uint8_t>(code);
    CodeParams params;
    if (!parts.codebook.empty()) params.codebook = parts.codebook.span<float>();
    Tensor levels = Tensor::allocate(DType::f32, {static_cast<int64_t>(codes.size())});
    format.decode(codes, params, levels.mutable_view().span<float>());
    return levels;
  }

  GatherCodesArgs args_{};
  std::vector<std::shared_ptr<std::byte>> memory_;
  size_t bytes_ = 0;
};

Refusal supports(const OpSite& site) {
  if (site.inputs[0].encoding && !site.inputs[0].constant) return "data is encoded but no constant";
  const Storage &in = site.inputs[0].storage, out = site.storage_of_output(0);
  if (in.order != Storage::Order::planar || out.order != in.order) return "values are not planar";
  if (in.codes != out.codes) return "the scale changes";
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  if (site.inputs[0].encoding) return std::make_unique<GatherCodes>(site);
  return std::make_unique<GatherSlices>(site);
}

}  // namespace

extern const Kernel gather{"gather", "Gather", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cuda
