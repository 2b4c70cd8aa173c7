"""Writes the encoder as ONNX graphs. All fp32 graphs share one weight file beside them.

  std        standard operators only; what the runtime fuses is its own affair
  fused      com.microsoft Attention (packed QKV), SkipLayerNormalization, Gelu
  mha        com.microsoft MultiHeadAttention instead of Attention
  int8       `std` as dynamic quantisation makes it: per-tensor uint8 activations,
             per-output-channel symmetric int8 weights, products of constants only
  int8-mha   the same with MultiHeadAttention

Inputs: ids int64 [batch, length]; alibi float [1, heads, length, length]; with padding also
mask float [batch, 1, 1, length] (std, int8) or lengths int32 [batch] (the others).
Output: hidden float [batch, length, hidden].
"""
import argparse
import os

import numpy as np
from onnx import TensorProto, helper, save_model

import model117m as m

FLOAT, INT64, INT32, INT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.INT8


class Builder:
    def __init__(self, tensors, data_path):
        self.tensors, self.data_path = tensors, data_path
        self.nodes, self.initializers, self.count = [], [], 0
        self.data = open(data_path, "wb")

    def node(self, op, inputs, outputs=1, domain="", **attributes):
        names = [f"{op}_{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, f"{op}_{self.count}", domain=domain, **attributes))
        self.count += 1
        return names[0] if outputs == 1 else names

    def ms(self, op, inputs, **attributes):
        return self.node(op, inputs, domain="com.microsoft", **attributes)

    def constant(self, name, array):
        """An initialiser: large ones in the data file, page-aligned; small ones in the graph."""
        array = np.ascontiguousarray(array)
        kind = {"float32": FLOAT, "int64": INT64, "int8": INT8}[array.dtype.name]
        if array.nbytes < 1024:
            self.initializers.append(helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True))
            return name
        self.data.write(b"\0" * (-self.data.tell() % 4096))
        tensor = TensorProto(name=name, data_type=kind, dims=array.shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", os.path.basename(self.data_path)),
                           ("offset", self.data.tell()), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self.data.write(array.data)
        self.initializers.append(tensor)
        return name


class Encoder(Builder):
    def __init__(self, kind, padded, tensors, data_path):
        super().__init__(tensors, data_path)
        self.kind, self.padded = kind, padded
        self.int8 = kind.startswith("int8")
        self.attention = {"std": "std", "int8": "std", "fused": "attention", "mha": "mha", "int8-mha": "mha"}[kind]
        self.contrib = kind in ("fused", "mha", "int8-mha")
        self.quantized = {}

    def linear(self, x, name, weight, bias=None):
        """x Wᵀ + b; W is [out, in] and stored transposed."""
        if self.int8:
            y = self.linear_int8(x, name, weight)
        else:
            y = self.node("MatMul", [x, self.constant(name + ".weight", weight.T)])
        return y if bias is None else self.node("Add", [y, self.constant(name + ".bias", bias)])

    def linear_int8(self, x, name, weight):
        if x not in self.quantized:
            self.quantized[x] = self.node("DynamicQuantizeLinear", [x], outputs=3)
        xq, x_scale, x_zero = self.quantized[x]
        scale = np.abs(weight).max(1) / np.float32(127)
        wq = np.rint(weight / scale[:, None]).astype(np.int8)
        product = self.node("MatMulInteger", [
            xq, self.constant(name + ".weight", wq.T), x_zero,
            self.constant(name + ".zero", np.zeros(len(scale), np.int8))])
        scales = self.node("Mul", [x_scale, self.constant(name + ".scale", scale)])
        return self.node("Mul", [self.node("Cast", [product], to=FLOAT), scales])

    def residual_norm(self, x, skip, prefix):
        weight = self.constant(prefix + ".weight", self.tensors[prefix + ".weight"])
        bias = self.constant(prefix + ".bias", self.tensors[prefix + ".bias"])
        if self.contrib:
            return self.ms("SkipLayerNormalization", [x, skip, weight, bias], epsilon=m.EPSILON)
        return self.node("LayerNormalization", [self.node("Add", [x, skip]), weight, bias],
                         axis=-1, epsilon=m.EPSILON)

    def gelu(self, x):
        if self.contrib:
            return self.ms("Gelu", [x])
        erf = self.node("Erf", [self.node("Div", [x, "sqrt2"])])
        return self.node("Mul", [self.node("Mul", [x, self.node("Add", [erf, "one"])]), "half"])

    def self_attention(self, x, layer):
        """Softmax(Q Kᵀ / 8 + bias) V. The factor 1/8, a power of two, is folded into Q's weights exactly."""
        name = layer + "attention.self.Wqkv"
        weight, bias = self.tensors[name + ".weight"], self.tensors[name + ".bias"]
        if self.attention == "attention":
            lengths = "lengths" if self.padded else ""
            return self.ms("Attention", [
                x, self.constant(name + ".weight", weight.T), self.constant(name + ".bias", bias),
                lengths, "", "alibi"], num_heads=m.HEADS)
        parts = []
        for part, factor in (("q", 0.125 if self.attention == "std" else 1), ("k", 1), ("v", 1)):
            rows = slice(*[m.HIDDEN * ("qkv".index(part) + i) for i in (0, 1)])
            parts.append(self.linear(x, f"{name}.{part}", weight[rows] * np.float32(factor),
                                     bias[rows] * np.float32(factor)))
        if self.attention == "mha":
            lengths = "lengths" if self.padded else ""
            return self.ms("MultiHeadAttention", [*parts, "", lengths, "alibi"], num_heads=m.HEADS)
        q, k, v = (self.node("Transpose", [self.node("Reshape", [part, "heads_shape"])],
                             perm=[0, 2, 3, 1] if part is parts[1] else [0, 2, 1, 3]) for part in parts)
        scores = self.node("Add", [self.node("MatMul", [q, k]), self.bias])
        context = self.node("MatMul", [self.node("Softmax", [scores], axis=-1), v])
        return self.node("Reshape", [self.node("Transpose", [context], perm=[0, 2, 1, 3]), "merged_shape"])

    def build(self):
        t = self.tensors
        if not self.contrib:
            for name, value in (("sqrt2", 2 ** 0.5), ("one", 1), ("half", 0.5)):
                self.constant(name, np.array(value, np.float32))
        if self.attention == "std":
            self.constant("heads_shape", np.array([0, 0, m.HEADS, m.HEAD_SIZE], np.int64))
            self.constant("merged_shape", np.array([0, 0, m.HIDDEN], np.int64))
        self.bias = self.node("Add", ["alibi", "mask"]) if self.padded and self.attention == "std" else "alibi"
        # token type 0 everywhere: its row is folded into the word embeddings
        words = t["bert.embeddings.word_embeddings.weight"] + t["bert.embeddings.token_type_embeddings.weight"][0]
        x = self.node("Gather", [self.constant("embeddings", words), "ids"], axis=0)
        x = self.node("LayerNormalization", [x] + [
            self.constant(f"embeddings.{p}", t[f"bert.embeddings.LayerNorm.{p}"]) for p in ("weight", "bias")],
            axis=-1, epsilon=m.EPSILON)
        for n in range(m.LAYERS):
            x = self.layer(x, f"bert.encoder.layer.{n}.")
        self.nodes.append(helper.make_node("Identity", [x], ["hidden"]))
        self.data.close()
        return self.model()

    def layer(self, x, layer):
        t = self.tensors
        dense, gated, wo = layer + "attention.output.dense", layer + "mlp.gated_layers", layer + "mlp.wo"
        a = self.linear(self.self_attention(x, layer), dense, t[dense + ".weight"], t[dense + ".bias"])
        x = self.residual_norm(a, x, layer + "attention.output.LayerNorm")
        weight = t[gated + ".weight"]
        gate = self.linear(x, gated + ".gate", weight[:m.INTERMEDIATE])
        value = self.linear(x, gated + ".value", weight[m.INTERMEDIATE:])
        u = self.node("Mul", [self.gelu(gate), value])
        y = self.linear(u, wo, t[wo + ".weight"], t[wo + ".bias"])
        return self.residual_norm(y, x, layer + "mlp.layernorm")

    def model(self):
        tensor = helper.make_tensor_value_info
        inputs = [tensor("ids", INT64, ["batch", "length"]),
                  tensor("alibi", FLOAT, [1, m.HEADS, "length", "length"])]
        if self.padded and self.attention == "std":
            inputs.append(tensor("mask", FLOAT, ["batch", 1, 1, "length"]))
        elif self.padded:
            inputs.append(tensor("lengths", INT32, ["batch"]))
        outputs = [tensor("hidden", FLOAT, ["batch", "length", m.HIDDEN])]
        graph = helper.make_graph(self.nodes, self.kind, inputs, outputs, self.initializers)
        return helper.make_model(graph, ir_version=8, producer_name="peers", opset_imports=[
            helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])


def write(kind, padded, tensors, folder):
    name = kind + ("-padded" if padded else "")
    model = Encoder(kind, padded, tensors, os.path.join(folder, kind + ".data")).build()
    save_model(model, os.path.join(folder, name + ".onnx"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model.safetensors")
    parser.add_argument("folder", help="where the graphs are written")
    arguments = parser.parse_args()
    tensors = m.read_safetensors(arguments.model)
    os.makedirs(arguments.folder, exist_ok=True)
    for kind in ("std", "fused", "mha", "int8", "int8-mha"):
        for padded in (False, True):
            write(kind, padded, tensors, arguments.folder)


if __name__ == "__main__":
    main()
