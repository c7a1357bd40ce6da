#include <algorithm>
#include <cstring>

#include "backend/cpu/conv/conv_int8_site.h"
#include "backend/cpu/int8/code_gather.h"
#include "backend/cpu/int8/code_multiply.h"
#include "backend/cpu/tile/epilogue.h"
#include "base/checked.h"

namespace halftone::cpu {
namespace {

bool is_depthwise(const OpSite& site) {
  const ConvExtent extent = conv_extent(site);
  return extent.group_inputs == 1 && extent.group_outputs == 1 && extent.groups > 1;
}

using Layer = Int8ConvLayer;

class Int8Conv final : public PreparedKernel {
 public:
  Int8Conv(const Layer& layer, const CodeLoops& loops, int threads)
      : joined_(joins_taps(layer)),
        weights_(joined_ ? joined_weights(layer) : layer.weights, layer.requantizer, layer.input,
                 joined_ ? joined_extent(layer.extent)
                         : CodeWeights::Extent{layer.extent.groups, layer.extent.group_outputs,
                                               layer.extent.group_inputs, layer.extent.window.taps()},
                 loops, layer.residual),
        padding_(static_cast<size_t>(weights_.quads() * kCodeQuad), layer.input.zero),
        activation_(layer.requantizer.to_codes() ? FusedActivation{} : layer.requantizer.float_activation()),
        adds_(!layer.residual.factors.empty()),
        threads_(threads) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2 || i == kConvGains; }
  bool spaces_rows() const override { return !adds_; }  // a residual lies as the output does
  size_t packed_bytes() const override { return weights_.bytes(); }
  size_t workspace_bytes(const OpSite& site) const override {
    const size_t bytes = own_offset() + padding_.size();
    if (joined_) return bytes + 1 + padded_bytes(site);
    if (skips_padding(site))
      return bytes + (static_cast<size_t>(site.outputs[0].shape.elements()) + 1) * sizeof(int64_t);
    return bytes;
  }

  void run(const KernelRun& run) const override {
    if (joined_) return run_joined(run);
    const Window window = conv_extent(run.site).window;
    const CodeGather gather(window, run.site.input_shape(0), run.outputs[0].shape);
    const PictureRows rows(*this, run, gather);
    CodeMultiply multiply = product(run, gather.places());
    multiply.gather = rows;
    if (skips_padding(run.site))
      run_inside(run, gather, multiply, rows);
    else
      multiply.run(run.threads, run.workspace);
  }

 private:
  /// Where the rows of a group read in the pictures. The last place is read beyond its end, so that it has a
  /// copy.
  struct PictureRows {
    PictureRows(const Int8Conv& of, const KernelRun& run, const CodeGather& how)
        : kernel(of),
          gather(how),
          channels(kernel.weights_.extent().channels),
          last_offset((kernel.weights_.extent().groups - 1) * channels),
          pictures(run.inputs[0].span<uint8_t>().data()),
          last_place(reinterpret_cast<uint8_t*>(run.workspace.data()) + kernel.own_offset()) {
      const auto bytes = run.inputs[0].span<uint8_t>();
      if (channels % kCodeQuad != 0 && !bytes.empty())
        std::memcpy(last_place, bytes.data() + bytes.size() - channels, static_cast<size_t>(channels));
    }
    void operator()(int64_t group, int64_t first, int64_t count, const uint8_t** to) const {
      const int64_t offset = group * channels;
      gather.rows(pictures, kernel.padding_.data(), offset, first, count, to);
      if (channels % kCodeQuad != 0 && offset == last_offset)
        gather.redirect_last(pictures, offset, last_place, {to, static_cast<size_t>(gather.taps() * count)});
    }
    const Int8Conv& kernel;
    const CodeGather& gather;
    int64_t channels, last_offset;
    const uint8_t* pictures;
    uint8_t* last_place;
  };

  size_t own_offset() const { return CodeMultiply::workspace_bytes(weights_, threads_); }

  CodeMultiply product(const KernelRun& run, int64_t rows) const {
    CodeMultiply multiply{.weights = weights_, .rows = rows, .gather = {}};
    if (run.outputs[0].dtype == DType::u8)
      multiply.codes = run.outputs[0].span<uint8_t>().data();
    else
      multiply.floats = run.outputs[0].span<float>().data();
    if (run.site.has_input(3)) {
      multiply.residual = run.inputs[3].span<uint8_t>().data();
      multiply.residual_zero = run.site.inputs[3].storage.codes->zero;
    }
    multiply.activation = activation_;
    multiply.out_step = run.row_step;
    return multiply;
  }

  /// A window of one tap that is padded: what lies outside has one answer, and no sum.
  static bool skips_padding(const OpSite& site) {
    const Window window = conv_extent(site).window;
    if (window.taps() != 1 || site.has_input(3)) return false;
    return std::any_of(window.axes.begin(), window.axes.begin() + window.rank,
                       [](const WindowAxis& axis) { return axis.pad_begin > 0 || axis.pad_end > 0; });
  }

  void run_inside(const KernelRun& run, const CodeGather& gather, CodeMultiply& multiply,
                  const PictureRows& rows) const {
    auto* places = reinterpret_cast<int64_t*>(run.workspace.data() + own_offset() +
                                              round_up(padding_.size(), sizeof(int64_t)));
    const int64_t all = gather.places();
    const uint8_t* from;
    // Places inside from the front, those of padding from the back.
    int64_t inside = 0, outside = all;
    for (int64_t place = 0; place < all; ++place) {
      gather.rows(rows.pictures, nullptr, 0, place, 1, &from);
      places[from ? inside++ : --outside] = place;
    }
    multiply.places = places;
    multiply.rows = inside;
    multiply.gather = [&](int64_t group, int64_t first, int64_t count, const uint8_t** to) {
      for (int64_t i = 0; i < count; ++i) rows(group, places[first + i], 1, to + i);
    };
    multiply.run(run.threads, run.workspace);
    if (outside == all) return;
    multiply.places = places + outside;
    multiply.rows = 1;
    multiply.gather = [&](int64_t, int64_t, int64_t, const uint8_t** to) { *to = padding_.data(); };
    multiply.run(run.threads, run.workspace);
    std::byte* y = run.outputs[0].data;
    const size_t bytes = run.outputs[0].size_bytes() / static_cast<size_t>(all);
    const size_t step =
        run.row_step > 0 ? static_cast<size_t>(run.row_step) * dtype_bytes(run.outputs[0].dtype) : bytes;
    const std::byte* first = y + static_cast<size_t>(places[outside]) * step;
    for (int64_t i = outside + 1; i < all; ++i)
      std::memcpy(y + static_cast<size_t>(places[i]) * step, first, bytes);
  }

  // A window of several columns: in a picture copied with its padding, the columns of a row of the window lie
  // one behind the other, and are one tap.

  static bool joins_taps(const Layer& layer) {
    const Window& window = layer.extent.window;
    return layer.extent.groups == 1 && window[window.rank - 1].kernel > 1 &&
           window[window.rank - 1].dilation == 1;
  }
  static CodeWeights::Extent joined_extent(const ConvExtent& extent) {
    const int64_t columns = extent.window[extent.window.rank - 1].kernel;
    return {1, extent.group_outputs, extent.group_inputs * columns, extent.window.taps() / columns};
  }
  static IntegerWeights joined_weights(const Layer& layer) {
    const CodeWeights::Extent joined = joined_extent(layer.extent);
    const int64_t channels = layer.extent.group_inputs, columns = joined.channels / channels;
    IntegerWeights weights = layer.weights;
    for (int64_t output = 0; output < weights.outputs; ++output)
      for (int64_t i = 0; i < weights.columns; ++i) {
        const int64_t channel = i / joined.taps / columns, row = i / columns % joined.taps,
                      column = i % columns;
        weights.codes[static_cast<size_t>(output * weights.columns +
                                          (column * channels + channel) * joined.taps + row)] =
            layer.weights.codes[static_cast<size_t>(output * weights.columns + i)];
      }
    return weights;
  }

  /// The input as it lies with its padding around it.
  struct Padded {
    WindowAxis y, x;
    int64_t batch, channels, rows, columns, padded_rows, padded_columns;
    explicit Padded(const OpSite& site) {
      const Window window = conv_extent(site).window;
      const Shape& shape = site.input_shape(0);
      x = window[window.rank - 1];
      if (window.rank > 1) y = window[0];
      batch = shape[0];
      channels = shape[1];
      rows = window.rank > 1 ? shape[2] : 1;
      columns = shape.back();
      padded_rows = rows + y.pad_begin + y.pad_end;
      padded_columns = columns + x.pad_begin + x.pad_end;
    }
    int64_t line() const { return padded_columns * channels; }
  };

  bool wide() const { return weights_.loops().takes_wide; }

  /// Rows of the last window are read to whole quads.
  size_t padded_bytes(const OpSite& site) const {
    const Padded p(site);
    const size_t codes = static_cast<size_t>(p.batch * p.padded_rows * p.line()) + kCodeQuad;
    return codes * (wide() ? sizeof(int16_t) : 1);
  }

  template <class Code>
  void copy_padded(const KernelRun& run, const Padded& p, Code* pictures) const {
    const uint8_t* x = run.inputs[0].span<uint8_t>().data();
    const int64_t left = p.x.pad_begin * p.channels, inner = p.columns * p.channels;
    run.threads.parallel_for(p.batch * p.padded_rows, kLineGrain, [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; ++line) {
        const int64_t row = line % p.padded_rows - p.y.pad_begin;
        Code* to = pictures + line * p.line();
        if (row < 0 || row >= p.rows) {
          std::fill_n(to, p.line(), padding_[0]);
          continue;
        }
        std::fill_n(to, left, padding_[0]);
        std::copy_n(x + (line / p.padded_rows * p.rows + row) * inner, inner, to + left);
        std::fill_n(to + left + inner, p.line() - left - inner, padding_[0]);
      }
    });
  }

  void run_joined(const KernelRun& run) const {
    const Padded p(run.site);
    uint8_t* pictures = reinterpret_cast<uint8_t*>(run.workspace.data()) +
                        round_up(own_offset() + padding_.size(), size_t{2});
    if (wide())
      copy_padded(run, p, reinterpret_cast<int16_t*>(pictures));
    else
      copy_padded(run, p, pictures);
    Window window;
    window.rank = 2;
    window.axes[0] = {p.y.kernel, p.y.stride, p.y.dilation, 0, 0};
    window.axes[1] = {1, p.x.stride, 1, 0, 0};
    const Shape& y = run.outputs[0].shape;
    const bool line = run.site.input_shape(0).rank() == 3;
    const int64_t bytes = p.channels * (wide() ? 2 : 1);
    const CodeGather gather(window, {p.batch, bytes, p.padded_rows, p.padded_columns},
                            {p.batch, y[1], line ? 1 : y[2], y.back()});
    CodeMultiply multiply = product(run, gather.places());
    multiply.wide = wide();
    multiply.gather = [&](int64_t, int64_t first, int64_t count, const uint8_t** to) {
      gather.rows(pictures, nullptr, 0, first, count, to);
    };
    multiply.run(run.threads, run.workspace);
  }

  static constexpr int64_t kLineGrain = 32;  ///< lines copied by a thread at a time

  bool joined_;
  CodeWeights weights_;
  std::vector<uint8_t> padding_;
  FusedActivation activation_;
  bool adds_;
  int threads_;
};

class Int8Depthwise final : public PreparedKernel {
 public:
  static constexpr int64_t kChunk = 48;

  Int8Depthwise(const Layer& layer, const CodeDepthwiseLoops& loops, int threads)
      : loops_(loops),
        weights_(layer.weights, layer.requantizer, layer.input, loops),
        padding_(static_cast<size_t>(layer.weights.outputs), layer.input.zero),
        epilogue_(make_epilogue(layer.requantizer.to_codes() ? FusedActivation{}
                                                             : layer.requantizer.float_activation())),
        threads_(threads) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2 || i == kConvGains; }
  bool spaces_rows() const override { return true; }
  size_t packed_bytes() const override { return weights_.bytes(); }
  size_t workspace_bytes(const OpSite&) const override {
    return static_cast<size_t>(threads_ * weights_.taps() * kChunk) * sizeof(void*);
  }

  void run(const KernelRun& run) const override {
    const uint8_t* pictures = run.inputs[0].span<uint8_t>().data();
    const bool to_codes = run.outputs[0].dtype == DType::u8;
    uint8_t* codes = to_codes ? run.outputs[0].span<uint8_t>().data() : nullptr;
    float* floats = to_codes ? nullptr : run.outputs[0].span<float>().data();
    const CodeGather gather(conv_extent(run.site).window, run.site.input_shape(0), run.outputs[0].shape);
    const CodeFinish finish = weights_.finish();
    const int64_t places = gather.places(), workers = std::min<int64_t>(threads_, run.threads.size());
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        auto* pointers =
            reinterpret_cast<const uint8_t**>(run.workspace.data()) + worker * weights_.taps() * kChunk;
        CodeDepthwise work = weights_.work();
        work.rows = pointers;
        work.out_step = run.step_of(work.channels);
        const int64_t last = places * (worker + 1) / workers;
        for (int64_t first = places * worker / workers; first < last; first += work.count) {
          work.row_step = work.count = std::min(kChunk, last - first);
          work.out = to_codes ? codes + first * work.out_step : nullptr;
          work.floats = to_codes ? nullptr : floats + first * work.out_step;
          gather.rows(pictures, padding_.data(), 0, first, work.count, pointers);
          std::fill(pointers + gather.taps() * work.count, pointers + weights_.taps() * work.count,
                    padding_.data());
          loops_.run(work, finish);
          if (!to_codes) finish_floats(work);
        }
      }
    });
  }

 private:
  void finish_floats(const CodeDepthwise& work) const {
    if (work.out_step == work.channels)
      return apply_all(epilogue_, *loops_.activations, work.floats, work.count * work.channels);
    for (int64_t row = 0; row < work.count; ++row)
      apply_all(epilogue_, *loops_.activations, work.floats + row * work.out_step, work.channels);
  }

  const CodeDepthwiseLoops& loops_;
  CodeDepthwiseWeights weights_;
  std::vector<uint8_t> padding_;
  Epilogue epilogue_;  ///< of floats
  int threads_;
};

Refusal supports_depthwise(const OpSite& site) {
  if (Refusal refusal = int8_conv_refusal(site); !refusal.empty()) return refusal;
  if (!is_depthwise(site)) return "not one channel a group";
  if (site.has_input(3)) return "it adds a residual";
  return {};
}

template <const CodeLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Int8Conv>(Layer(site), kLoops, threads.size());
}

template <const CodeDepthwiseLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare_depthwise(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Int8Depthwise>(Layer(site), kLoops, threads.size());
}

}  // namespace

#define HALFTONE_CONV_INT8(isa)                                                                       \
  extern const Kernel conv_int8_##isa{"conv_int8_" #isa,         "Conv", Isa::isa, int8_conv_refusal, \
                                      prepare<code_loops_##isa>, true};
#define HALFTONE_CONV_INT8_DEPTHWISE(isa)                                                \
  extern const Kernel conv_int8_depthwise_##isa{"conv_int8_depthwise_" #isa,             \
                                                "Conv",                                  \
                                                Isa::isa,                                \
                                                supports_depthwise,                      \
                                                prepare_depthwise<code_depthwise_##isa>, \
                                                true};

#if defined(__x86_64__)
HALFTONE_CONV_INT8(amx)
HALFTONE_CONV_INT8(avx512vnni)
HALFTONE_CONV_INT8(avxvnni)
HALFTONE_CONV_INT8(avx2)
HALFTONE_CONV_INT8_DEPTHWISE(avx512vnni)
HALFTONE_CONV_INT8_DEPTHWISE(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_INT8(neondot)
HALFTONE_CONV_INT8_DEPTHWISE(neondot)
#endif

}  // namespace halftone::cpu
