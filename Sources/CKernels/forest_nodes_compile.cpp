#include <initializer_list>

#include "forest_nodes_program.h"

namespace ns_forest {

namespace {

/// A tree's nodes, parents first, with the places of their leaves: `first` is that of the first
/// leaf below the node and `count` the number of leaves below it.
struct Layout {
  Layout(const ns_forest_node *nodes, uint32_t node_count);

  uint32_t leaf_count(int32_t child) const { return child < 0 ? 1 : count[child]; }

  uint16_t order[256];
  uint16_t first[256];
  uint16_t count[256];
};

Layout::Layout(const ns_forest_node *nodes, uint32_t node_count) {
  uint32_t breadth = 0;
  if (node_count > 0) order[breadth++] = 0;
  for (uint32_t i = 0; i < breadth; i++) {
    for (const int32_t child : {nodes[order[i]].left, nodes[order[i]].right}) {
      if (child >= 0) order[breadth++] = uint16_t(child);
    }
  }
  for (uint32_t i = breadth; i-- > 0;) {
    const ns_forest_node &node = nodes[order[i]];
    count[order[i]] = uint16_t(leaf_count(node.left) + leaf_count(node.right));
  }
  first[0] = 0;
  for (uint32_t i = 0; i < breadth; i++) {
    const ns_forest_node &node = nodes[order[i]];
    const uint16_t place = first[order[i]];
    if (node.left >= 0) first[node.left] = place;
    if (node.right >= 0) first[node.right] = uint16_t(place + leaf_count(node.left));
  }
}

/// The mask of the boundary before a place, where the leaves from there begin or end.
uint32_t boundary_before(uint32_t place, uint32_t leaf_count) {
  if (place == 0) return kFirstBegin;
  return place == leaf_count ? uint32_t(kLastEnd) : kFirstBoundary + place - 1;
}

template <typename Step>
void compile_tree(const ns_forest_node *nodes, uint32_t node_count, Program &program,
                  std::vector<Step> &steps) {
  const Layout layout(nodes, node_count);
  const uint32_t leaf_count = node_count + 1;
  TreeProgram tree = {uint32_t(steps.size()), uint32_t(program.codes.size()),
                      uint16_t(node_count), 5};
  while ((1u << tree.bit_count) < leaf_count) tree.bit_count++;
  program.trees.push_back(tree);
  program.codes.resize(program.codes.size() + leaf_count);
  uint8_t *codes = &program.codes[tree.first_code];
  codes[0] = 0;
  for (uint32_t i = 0; i < node_count; i++) {
    const uint16_t id = layout.order[i];
    const ns_forest_node &node = nodes[id];
    const uint32_t begin = layout.first[id], middle = begin + layout.leaf_count(node.left);
    const Test test = program.tests.find(node.column, node.threshold);
    steps.emplace_back(boundary_before(begin, leaf_count),
                       boundary_before(begin + layout.count[id], leaf_count),
                       boundary_before(middle, leaf_count), test);
    if (node.left < 0) codes[~node.left] = uint8_t(begin ^ (begin >> 1));
    if (node.right < 0) codes[~node.right] = uint8_t(middle ^ (middle >> 1));
  }
}

template <typename Step>
void compile_trees(const ns_forest_node *nodes, const uint32_t *ends, uint32_t tree_count,
                   Program &program, std::vector<Step> &steps) {
  steps.reserve(tree_count == 0 ? 0 : ends[tree_count - 1]);
  for (uint32_t tree = 0; tree < tree_count; tree++) {
    const uint32_t first = tree == 0 ? 0 : ends[tree - 1];
    compile_tree(nodes + first, ends[tree] - first, program, steps);
  }
}

}  // namespace

void compile(const ns_forest_node *nodes, const uint32_t *ends, uint32_t tree_count,
             Program &program) {
  const uint32_t node_count = tree_count == 0 ? 0 : ends[tree_count - 1];
  for (uint32_t i = 0; i < node_count; i++) program.tests.add(nodes[i].column, nodes[i].threshold);
  program.tests.place();
  program.trees.reserve(tree_count);
  program.codes.reserve(size_t(node_count) + tree_count);
  if (program.is_near()) {
    compile_trees(nodes, ends, tree_count, program, program.near_steps);
  } else {
    compile_trees(nodes, ends, tree_count, program, program.far_steps);
  }
  program.tests.seal();
}

}  // namespace ns_forest
