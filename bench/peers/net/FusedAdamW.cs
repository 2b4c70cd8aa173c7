using TorchSharp;
using static TorchSharp.torch;

namespace Peers;

/// <summary>
/// AdamW in one pass over memory. TorchSharp's own is written in C#, an operation a parameter and formula; LibTorch's fused one has no
/// binding, and is reached through TorchScript, a tensor a call: its lists of tensors do not arrive whole (TorchSharp 0.107).
/// </summary>
internal sealed class FusedAdamW : IDisposable
{
    /// <summary>As the pre-training recipe has it, decay everywhere: the arithmetic is the same with two groups.</summary>
    private const string Script = """
        def step(weight: Tensor, grad: Tensor, mean: Tensor, square: Tensor, steps: Tensor):
            unused: List[Tensor] = []
            torch._fused_adamw_([weight], [grad], [mean], [square], unused, [steps], lr=1e-4, beta1=0.9, beta2=0.98,
                                weight_decay=1e-5, eps=1e-6, amsgrad=False, maximize=False)
            return steps

        """;

    private readonly jit.CompilationUnit _script = jit.compile(Script);
    private readonly (Tensor Weight, Tensor Mean, Tensor Square)[] _states;
    private readonly Tensor _steps = zeros(1);

    public FusedAdamW(IEnumerable<Tensor> weights)
    {
        using IDisposable guard = no_grad();
        _states = [.. weights.Select(weight => (weight, zeros_like(weight), zeros_like(weight)))];
    }

    public void Dispose()
    {
        foreach ((_, Tensor mean, Tensor square) in _states)
        {
            mean.Dispose();
            square.Dispose();
        }

        _steps.Dispose();
        _script.Dispose();
    }

    public void Step()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        _steps.add_(1);
        foreach ((Tensor weight, Tensor mean, Tensor square) in _states)
        {
            Tensor grad = weight.grad ?? throw new InvalidOperationException("A weight has no gradient.");
            _script.invoke("step", weight, grad, mean, square, _steps);
        }
    }

    /// <summary>Frees the gradients.</summary>
    public void ClearGradients()
    {
        foreach ((Tensor weight, _, _) in _states) weight.grad = null;
    }
}
