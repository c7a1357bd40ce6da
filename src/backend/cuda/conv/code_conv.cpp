#include "backend/cuda/conv/code_conv.h"

#include "ops/conv/conv_integer.h"

namespace halftone::cuda {

CodeConv::CodeConv(const OpSite& site, IntegerWeights integers, bool plain)
    : uploads_(device()), input_(*site.inputs[0].storage.codes), integers_(std::move(integers)) {
  if (site.has_input(3)) {
    const CodeScale added = *site.inputs[3].storage.codes;
    const IntegerResidual residual = integer_residual(integers_, added);
    end_.factors = uploads_.add(residual.factors, "a residual's factors");
    end_.shift = residual.shift;
    end_.residual_zero = added.zero;
  }
  std::vector<int32_t> bias;
  for (size_t o = 0; o < static_cast<size_t>(integers_.outputs); ++o)
    bias.push_back(plain ? folded_bias(integers_, o, input_) : integers_.bias[o]);
  end_.bias = uploads_.add(bias, fmt::format("the bias of {}", site.name));
  end_.requantizer = upload_requantizer(Requantizer(site, integers_.units, constant_gains(site)), uploads_);
}

CodeEnd CodeConv::end_of(const KernelRun& run) const {
  CodeEnd end = end_;
  end.residual = run.site.has_input(3) ? pointer<uint8_t>(run.inputs[3]) : nullptr;
  if (run.outputs[0].dtype == DType::u8)
    end.y_codes = pointer<uint8_t>(run.outputs[0]);
  else
    end.y_floats = pointer<float>(run.outputs[0]);
  return end;
}

}  // namespace halftone::cuda
