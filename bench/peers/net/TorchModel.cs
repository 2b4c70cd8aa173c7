using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peers;

/// <summary>DNABERT-2 in LibTorch's operations, dense batches, the model of torch_peer.py.</summary>
internal sealed class TorchModel : IDisposable
{
    private readonly ScalarType _computed;
    private readonly Dictionary<string, Tensor> _tensors = [];

    /// <param name="path">model.safetensors.</param>
    /// <param name="computed">
    /// The type of products and norms. Of training bfloat16, weights stay float32 and are cast where they are used, as autocast does,
    /// which TorchSharp has not; of inference they are bfloat16 throughout.
    /// </param>
    /// <param name="training">Whether weights want gradients.</param>
    public TorchModel(string path, ScalarType computed, bool training)
    {
        _computed = computed;
        foreach ((string name, long[] shape, Action<Span<byte>> read) in Model117M.Tensors(path))
        {
            Tensor tensor = empty(shape, ScalarType.Float32);
            read(tensor.bytes);
            // The decoder is the word embedding itself.
            if (name == "cls.predictions.decoder.weight" || (!training && name.StartsWith("cls.", StringComparison.Ordinal)))
            {
                tensor.Dispose();
                continue;
            }

            if (!training && computed != ScalarType.Float32)
            {
                using Tensor whole = tensor;
                tensor = whole.to(computed);
            }

            _tensors.Add(name, training ? new Parameter(tensor) : tensor);
        }
    }

    public IEnumerable<Parameter> Parameters => _tensors.Values.OfType<Parameter>();

    public Tensor this[string name] => _tensors[name];

    public bool Has(string name) => _tensors.ContainsKey(name);

    public void Dispose()
    {
        foreach (Tensor tensor in _tensors.Values) tensor.Dispose();
    }

    /// <summary>ALiBi, and for rows shorter than the others what hides their padding: [batch, heads, length, length].</summary>
    public Tensor Bias(int batch, int length, params int[] lengths)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor bias = tensor(Model117M.Alibi(length), [1, Model117M.Heads, length, length]);
        bias = bias.expand(batch, -1, -1, -1);
        if (lengths.Length > 0)
        {
            bias = bias.clone();
            for (int b = 0; b < batch; b++) bias[b, .., .., lengths[b]..].fill_(Model117M.NoScore);
        }

        return bias.to(_computed).MoveToOuterDisposeScope();
    }

    /// <summary>ids [batch, length] → hidden [batch, length, hidden].</summary>
    public Tensor Forward(Tensor ids, Tensor bias)
    {
        using DisposeScope scope = NewDisposeScope();
        const string Embeddings = "bert.embeddings.";
        Tensor words = _tensors[Embeddings + "word_embeddings.weight"].index_select(0, ids.view(-1));   // [batch · length, hidden]
        Tensor x = words.view(ids.shape[0], ids.shape[1], Model117M.Hidden) + _tensors[Embeddings + "token_type_embeddings.weight"][0];
        x = Norm(x, Embeddings + "LayerNorm");
        for (int n = 0; n < Model117M.Layers; n++)
        {
            Tensor before = x;
            x = Layer(before, bias, $"bert.encoder.layer.{n}.");
            before.Dispose();
        }

        return x.MoveToOuterDisposeScope();
    }

    /// <summary>Mean cross-entropy at `positions` (indices of flattened tokens): the head runs on these alone.</summary>
    public Tensor MaskedLoss(Tensor ids, Tensor bias, Tensor positions, Tensor targets)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = Forward(ids, bias).view(-1, Model117M.Hidden).index_select(0, positions); // [masked, hidden]
        const string Head = "cls.predictions.";
        Tensor x = Norm(nn.functional.gelu(Linear(hidden, Head + "transform.dense")), Head + "transform.LayerNorm");
        Tensor logits = nn.functional.linear(                                                      // [masked, vocabulary]
            x, Computed("bert.embeddings.word_embeddings.weight"), Computed(Head + "decoder.bias"));
        return nn.functional.cross_entropy(logits.to(ScalarType.Float32), targets).MoveToOuterDisposeScope();
    }

    private Tensor Layer(Tensor x, Tensor bias, string name)
    {
        // What a scope holds is freed at its end: of inference, all that a part has made on the way.
        using DisposeScope scope = NewDisposeScope();
        using (DisposeScope part = NewDisposeScope())
        {
            Tensor context = Attention(x, bias, name + "attention.self.");                          // [batch, length, hidden]
            x = Norm(Linear(context, name + "attention.output.dense") + x, name + "attention.output.LayerNorm")
                .MoveToOuterDisposeScope();
        }

        Tensor[] gated = nn.functional.linear(x, Computed(name + "mlp.gated_layers.weight"))
            .split(Model117M.Intermediate, -1);                                                     // 2 × [batch, length, 3072]
        Tensor y = Linear(nn.functional.gelu(gated[0]) * gated[1], name + "mlp.wo");                // [batch, length, hidden]
        return Norm(y + x, name + "mlp.layernorm").MoveToOuterDisposeScope();
    }

    private Tensor Attention(Tensor x, Tensor bias, string name)
    {
        (long batch, long length) = (x.shape[0], x.shape[1]);
        Tensor[] qkv = Linear(x, name + "Wqkv").view(batch, length, 3, Model117M.Heads, Model117M.HeadSize)
            .permute(2, 0, 3, 1, 4).unbind(0);                                                      // 3 × [batch, heads, length, 64]
        Tensor context = nn.functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], bias);  // [batch, heads, length, 64]
        return context.transpose(1, 2).reshape(batch, length, Model117M.Hidden);
    }

    private Tensor Linear(Tensor x, string name) => nn.functional.linear(x, Computed(name + ".weight"), Computed(name + ".bias"));

    private Tensor Norm(Tensor x, string name) => nn.functional.layer_norm(
        x.to(_computed), [Model117M.Hidden], Computed(name + ".weight"), Computed(name + ".bias"), Model117M.Epsilon);

    private Tensor Computed(string name) =>
        _tensors[name] is var tensor && tensor.dtype == _computed ? tensor : tensor.to(_computed);
}
