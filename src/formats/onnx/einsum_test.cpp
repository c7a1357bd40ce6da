#include "formats/onnx/einsum.h"

#include "base/error.h"
#include "pass_draft.h"

namespace halftone {
namespace {

Draft einsum(const std::string& equation, const std::vector<Shape>& shapes) {
  Draft d;
  ImportedNode node;
  node.name = "y";
  node.op = "Einsum";
  node.attributes = {{"equation", equation}};
  for (const Shape& shape : shapes)
    node.inputs.push_back(d.input("x" + std::to_string(node.inputs.size()), shape));
  NodeAppender appender(d.graph);
  spell_out_einsum(node, appender);
  d.graph.add_output(appender.append(node).front(), "y");
  return d;
}

/// Sums over every assignment of the labels; each label is a letter, sizes by label.
std::vector<float> expected(const std::string& equation, const std::vector<Shape>& shapes) {
  std::vector<std::string> terms(1);
  for (char c : equation.substr(0, equation.find('-')))
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  const std::string output = equation.substr(equation.find('>') + 1);
  std::map<char, int64_t> sizes, at;
  for (size_t i = 0; i < terms.size(); ++i)
    for (size_t axis = 0; axis < terms[i].size(); ++axis)
      sizes[terms[i][axis]] = shapes[i][static_cast<int>(axis)];
  const auto offset = [&](const std::string& labels) {
    int64_t place = 0;
    for (char label : labels) place = place * sizes[label] + at[label];
    return static_cast<size_t>(place);
  };
  std::vector<std::vector<float>> inputs;
  unsigned seed = 7;  // as run() has it
  for (const Shape& shape : shapes) inputs.push_back(floats(random_tensor(shape, ++seed)));
  int64_t count = 1, all = 1;
  for (char label : output) count *= sizes[label];
  for (const auto& [label, size] : sizes) all *= size;
  std::vector<float> sums(static_cast<size_t>(count), 0.0f);
  for (int64_t i = 0; i < all; ++i) {
    int64_t rest = i;
    for (const auto& [label, size] : sizes) {
      at[label] = rest % size;
      rest /= size;
    }
    float product = 1;
    for (size_t t = 0; t < terms.size(); ++t) product *= inputs[t][offset(terms[t])];
    sums[offset(output)] += product;
  }
  return sums;
}

TEST(Einsum, IsSpelledOut) {
  const std::pair<std::string, std::vector<Shape>> cases[] = {
      {"bhwc,hkc->bhwk", {{2, 3, 4, 5}, {3, 6, 5}}},
      {"bhwc,wkc->bhwk", {{2, 3, 4, 5}, {4, 6, 5}}},
      {"bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}},
      {"ij->ji", {{3, 4}}},
      {"ij->i", {{3, 4}}},
      {"i,i->", {{5}, {5}}},
      {"i,j->ij", {{3}, {4}}},
      {"abcd,cdae->eb", {{2, 3, 4, 5}, {4, 5, 2, 3}}},
      {"nqhd,nkhd->nhqk", {{2, 3, 4, 5}, {2, 6, 4, 5}}},
      {"ab,bc,cd->da", {{2, 3}, {3, 4}, {4, 5}}},
      {"abx,cdx->acbd", {{2, 3, 4}, {5, 2, 4}}}};
  for (const auto& [equation, shapes] : cases) {
    const std::vector<float> made = floats(run(einsum(equation, shapes).graph).at("y")),
                             wanted = expected(equation, shapes);
    ASSERT_EQ(made.size(), wanted.size()) << equation;
    for (size_t i = 0; i < made.size(); ++i) ASSERT_NEAR(made[i], wanted[i], 1e-4) << equation << " at " << i;
  }
}

TEST(Einsum, FillsInTheOutputAndEllipses) {
  const std::vector<Shape> matrices{{2, 3, 4}, {2, 4, 5}};
  const auto wanted = expected("bij,bjk->bik", matrices);
  for (const char* equation : {"...ij,...jk", "...ij,...jk->...ik", " bij , bjk -> bik "}) {
    const std::vector<float> made = floats(run(einsum(equation, matrices).graph).at("y"));
    ASSERT_EQ(made.size(), wanted.size()) << equation;
    for (size_t i = 0; i < made.size(); ++i) ASSERT_NEAR(made[i], wanted[i], 1e-4) << equation;
  }
}

TEST(Einsum, RefusesWhatDoesNotFit) {
  EXPECT_THROW(einsum("ij,jk->ik", {{2, 3}}), InputError);
  EXPECT_THROW(einsum("ijk->i", {{2, 3}}), InputError);
  EXPECT_THROW(einsum("ij->ik", {{2, 3}}), InputError);
  EXPECT_THROW(einsum("i1->i", {{2, 3}}), InputError);
  EXPECT_THROW(einsum("ii->i", {{3, 3}}), UnsupportedError);
}

}  // namespace
}  // namespace halftone
