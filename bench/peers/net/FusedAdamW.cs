using TorchSharp;
using static TorchSharp.torch;

namespace Peers;

/// <summary>
/// AdamW in one pass over memory. TorchSharp's own is written in C#, an operation a parameter and formula; LibTorch's fused one has no
/// binding, and is reached through TorchScript.
/// </summary>
internal sealed class FusedAdamW : IDisposable
{
    /// <summary>As the pre-training recipe has it, decay everywhere: the arithmetic is the same with two groups.</summary>
    private const string Script = """
        def step(weights: List[Tensor], grads: List[Tensor], means: List[Tensor], squares: List[Tensor], steps: List[Tensor]):
            torch._foreach_add_(steps, 1)
            unused: List[Tensor] = []
            torch._fused_adamw_(weights, grads, means, squares, unused, steps, lr=1e-4, beta1=0.9, beta2=0.98,
                                weight_decay=1e-5, eps=1e-6, amsgrad=False, maximize=False)
            return steps[0]

        """;

    private readonly jit.CompilationUnit _script = jit.compile(Script);
    private readonly Tensor[] _weights, _means, _squares, _steps;

    public FusedAdamW(IEnumerable<Tensor> weights)
    {
        _weights = [.. weights];
        using IDisposable guard = no_grad();
        _means = [.. _weights.Select(weight => zeros_like(weight))];
        _squares = [.. _weights.Select(weight => zeros_like(weight))];
        _steps = [.. _weights.Select(_ => zeros(1))];
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _means.Concat(_squares).Concat(_steps)) tensor.Dispose();
        _script.Dispose();
    }

    public void Step()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor[] grads = [.. _weights.Select(weight => weight.grad!)];
        _script.invoke("step", _weights, grads, _means, _squares, _steps);
    }

    /// <summary>Frees the gradients.</summary>
    public void ClearGradients()
    {
        foreach (Tensor weight in _weights) weight.grad = null;
    }
}
