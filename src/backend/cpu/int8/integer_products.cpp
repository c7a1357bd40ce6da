#include <algorithm>
#include <cstring>

#include "backend/cpu/int8/code_gather.h"
#include "backend/cpu/int8/code_rows.h"
#include "backend/kernel.h"
#include "base/checked.h"
#include "ops/conv/conv.h"
#include "ops/requantizer.h"

namespace halftone::cpu {
namespace {

enum Input : size_t { kCodes, kWeights, kCodesZero, kWeightsZero };

/// Constant i8 weights without zero points, [outputs, columns].
IntegerWeights weights_of(const OpSite& site, bool turned) {
  const Tensor codes = site.inputs[kWeights].constant->load();
  const auto from = codes.span<int8_t>();
  IntegerWeights weights;
  weights.outputs = codes.shape()[turned ? 1 : 0];
  weights.columns = codes.shape().elements() / weights.outputs;
  const auto outputs = static_cast<size_t>(weights.outputs), columns = static_cast<size_t>(weights.columns);
  weights.codes.resize(outputs * columns);
  weights.sums.resize(outputs);
  weights.bias.resize(outputs);
  weights.units.assign(outputs, 1);
  for (size_t o = 0; o < outputs; ++o)
    for (size_t c = 0; c < columns; ++c) {
      const int8_t code = from[turned ? c * outputs + o : o * columns + c];
      weights.codes[o * columns + c] = code;
      weights.sums[o] += code;
    }
  return weights;
}

bool is_all_zero(const Tensor& tensor) {
  return std::ranges::all_of(tensor.view().bytes(), [](std::byte b) { return b == std::byte{0}; });
}

Refusal shared_refusal(const OpSite& site, bool turned) {
  const SiteInput& weights = site.inputs[kWeights];
  if (site.inputs[kCodes].type.dtype != DType::u8 || weights.type.dtype != DType::i8)
    return "not u8 times i8";
  if (!weights.constant || weights.type.shape.elements() == 0) return "the weights are not a constant";
  if (site.has_input(kCodesZero) && site.input_shape(kCodesZero).checked_elements() != 1)
    return "more than one zero point of the input";
  if (site.has_input(kWeightsZero) &&
      (!site.inputs[kWeightsZero].constant || !is_all_zero(site.inputs[kWeightsZero].constant->load())))
    return "weights with zero points";
  if (!sums_fit_floats(weights_of(site, turned), 255)) return "sums may be beyond 24 bits";
  return {};
}

Refusal mat_mul_supports(const OpSite& site) {
  if (site.input_shape(kCodes).rank() < 2 || site.input_shape(kWeights).rank() != 2)
    return "not a product with a matrix";
  return shared_refusal(site, true);
}

Refusal conv_supports(const OpSite& site) {
  const int rank = site.input_shape(kCodes).rank();
  if (rank != 3 && rank != 4) return "more than two spatial axes";
  return shared_refusal(site, false);
}

/// MatMulInteger and ConvInteger: the tiles' exact sums of u8 codes less what the zero point of the input
/// adds, which only the run knows.
class IntegerProduct : public PreparedKernel {
 public:
  IntegerProduct(const OpSite& site, bool turned, const CodeWeights::Extent& extent, const CodeLoops& loops,
                 int threads)
      : threads_(threads) {
    const IntegerWeights weights = weights_of(site, turned);
    weights_.emplace(weights, Requantizer(site, weights.units), CodeScale{1, 0}, extent, loops);
    sums_ = weights.sums;
  }
  bool keeps(size_t i) const override { return i == kWeights || i == kWeightsZero; }
  size_t packed_bytes() const override { return weights_->bytes(); }

 protected:
  static int32_t zero_of(const KernelRun& run) {
    return run.site.has_input(kCodesZero) ? run.inputs[kCodesZero].span<uint8_t>()[0] : 0;
  }
  int32_t sum_of(float product, size_t output, int32_t zero) const {
    return static_cast<int32_t>(product) - zero * sums_[output];
  }

  const int threads_;
  std::optional<CodeWeights> weights_;
  std::vector<int32_t> sums_;
};

class MatMulInteger final : public IntegerProduct {
 public:
  MatMulInteger(const OpSite& site, const CodeLoops& loops, int threads)
      : IntegerProduct(site, true, {1, site.input_shape(kWeights)[1], site.input_shape(kWeights)[0], 1},
                       loops, threads) {}

  size_t workspace_bytes(const OpSite&) const override {
    return code_rows_workspace_bytes(*weights_, threads_);
  }

  void run(const KernelRun& run) const override {
    const auto a = run.inputs[kCodes].span<uint8_t>();
    const int64_t outputs = weights_->extent().outputs;
    const int64_t rows = run.outputs[0].shape.elements() / outputs;
    if (rows == 0) return;
    CodeMultiply multiply = multiply_rows(*weights_, a.data(), rows, run.workspace, threads_);
    std::byte* out = run.outputs[0].data;  // floats first, whole numbers in their place afterwards
    multiply.floats = reinterpret_cast<float*>(out);
    multiply.run(run.threads, run.workspace);
    const int32_t zero = zero_of(run);
    run.threads.parallel_for(rows, 64, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        for (int64_t o = 0; o < outputs; ++o) {
          std::byte* at = out + (row * outputs + o) * int64_t{sizeof(int32_t)};
          float product;
          std::memcpy(&product, at, sizeof(product));
          const int32_t sum = sum_of(product, static_cast<size_t>(o), zero);
          std::memcpy(at, &sum, sizeof(sum));
        }
    });
  }
};

class ConvInteger final : public IntegerProduct {
 public:
  ConvInteger(const OpSite& site, const CodeLoops& loops, int threads)
      : ConvInteger(site, conv_extent(site, site.input_shape(kCodes), site.input_shape(kWeights)), loops,
                    threads) {}

  size_t workspace_bytes(const OpSite& site) const override { return Workspace(*this, site).bytes; }

  void run(const KernelRun& run) const override {
    const Shape& x = run.site.input_shape(kCodes);
    const Shape& y = run.outputs[0].shape;
    if (y.elements() == 0) return;
    const Workspace parts(*this, run.site);
    uint8_t* pictures = reinterpret_cast<uint8_t*>(run.workspace.data()) + parts.pictures;
    uint8_t* padding = reinterpret_cast<uint8_t*>(run.workspace.data()) + parts.padding;
    auto* products = reinterpret_cast<float*>(run.workspace.data() + parts.products);
    const int32_t zero = zero_of(run);
    std::memset(padding, zero, static_cast<size_t>(weights_->quads() * kCodeQuad));
    turn(run, x, pictures);

    const CodeGather gather(conv_extent(run.site, x, run.site.input_shape(kWeights)).window, x, y);
    const int64_t channels = weights_->extent().channels;
    CodeMultiply multiply{.weights = *weights_, .rows = gather.places(), .gather = {}};
    multiply.gather = [&](int64_t group, int64_t first, int64_t count, const uint8_t** to) {
      gather.rows(pictures, padding, group * channels, first, count, to);
    };
    multiply.floats = products;
    multiply.run(run.threads, run.workspace.first(parts.pictures));

    const int64_t outputs = y[1], places = y.elements() / y[0] / outputs;
    const auto sums = run.outputs[0].span<int32_t>();
    run.threads.parallel_for(y[0] * outputs, 1, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t n = plane / outputs, o = plane % outputs;
        for (int64_t place = 0; place < places; ++place)
          sums[static_cast<size_t>(plane * places + place)] =
              sum_of(products[(n * places + place) * outputs + o], static_cast<size_t>(o), zero);
      }
    });
  }

 private:
  ConvInteger(const OpSite& site, const ConvExtent& extent, const CodeLoops& loops, int threads)
      : IntegerProduct(site, false,
                       {extent.groups, extent.group_outputs, extent.group_inputs, extent.window.taps()},
                       loops, threads) {}

  /// Bytes from the start: scratch of the product, the picture channels-last (readable for whole quads beyond
  /// its end), a place outside the picture, the products.
  struct Workspace {
    size_t pictures, padding, products, bytes;
    Workspace(const ConvInteger& kernel, const OpSite& site) {
      const auto quads = static_cast<size_t>(kernel.weights_->quads() * kCodeQuad);
      const auto at = [](size_t byte) { return round_up(byte, size_t{64}); };
      pictures = at(CodeMultiply::workspace_bytes(*kernel.weights_, kernel.threads_));
      padding = at(pictures + static_cast<size_t>(site.input_shape(kCodes).elements()) + quads);
      products = at(padding + quads);
      bytes = products + static_cast<size_t>(site.outputs[0].shape.elements()) * sizeof(float);
    }
  };

  static void turn(const KernelRun& run, const Shape& x, uint8_t* to) {
    const uint8_t* from = run.inputs[kCodes].span<uint8_t>().data();
    const int64_t channels = x[1], places = x.elements() / x[0] / channels;
    run.threads.parallel_for(x[0] * places, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at)
        for (int64_t c = 0; c < channels; ++c)
          to[at * channels + c] = from[(at / places * channels + c) * places + at % places];
    });
  }
};

template <class Product, const CodeLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Product>(site, kLoops, threads.size());
}

}  // namespace

#define HALFTONE_INTEGER_PRODUCTS(isa)                                                                   \
  extern const Kernel mat_mul_integer_##isa{"mat_mul_integer_" #isa, "MatMulInteger", Isa::isa,          \
                                            mat_mul_supports, prepare<MatMulInteger, code_loops_##isa>}; \
  extern const Kernel conv_integer_##isa{"conv_integer_" #isa, "ConvInteger", Isa::isa, conv_supports,   \
                                         prepare<ConvInteger, code_loops_##isa>};

#if defined(__x86_64__)
HALFTONE_INTEGER_PRODUCTS(amx)
HALFTONE_INTEGER_PRODUCTS(avx512vnni)
HALFTONE_INTEGER_PRODUCTS(avxvnni)
HALFTONE_INTEGER_PRODUCTS(avx2)
#elif defined(__aarch64__)
HALFTONE_INTEGER_PRODUCTS(neondot)
#endif

}  // namespace halftone::cpu
