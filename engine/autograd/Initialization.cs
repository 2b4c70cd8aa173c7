using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>Initial values.</summary>
public static class Initialization
{
    private const uint Site = 0x494E4954;

    /// <summary>
    /// BERT's initialisation: weights and embeddings from N(0, <paramref name="range"/>), biases 0, layer norms 1 and 0. Low-rank additions
    /// as in the PEFT library: the first factor uniform in ±1 / sqrt(in) (Kaiming's with a = sqrt(5)), the second 0. Drawn from the
    /// counter-based generator: the same for a seed on every machine.
    /// </summary>
    public static ParameterSource Normal(ulong seed, float range) => (parameter, index, destination) =>
    {
        switch (parameter.Kind)
        {
            case ParameterKind.NormWeight:
                destination.Fill(1);
                break;
            case ParameterKind.Bias or ParameterKind.NormBias or ParameterKind.LowRankUp:
                destination.Clear();
                break;
            case ParameterKind.LowRankDown:
                new Philox(seed, (uint)index, Site).FillUniform(destination, 1 / MathF.Sqrt(parameter.Shape[1]));
                break;
            default:
                new Philox(seed, (uint)index, Site).FillNormal(destination, range);
                break;
        }
    };
}
