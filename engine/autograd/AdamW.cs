using System.Runtime.InteropServices;
using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>The settings of <see cref="AdamW"/>; the defaults are PyTorch's.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the first moment, from 0 to below 1.</summary>
    public float Beta1 { get; init; } = 0.9f;

    /// <summary>Decay of the second moment, from 0 to below 1.</summary>
    public float Beta2 { get; init; } = 0.999f;

    /// <summary>Added to the root of the second moment, from 1e-30 to 1.</summary>
    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>Decoupled weight decay, from 0 to 1.</summary>
    public float WeightDecay { get; init; } = 0.01f;

    /// <summary>Whether biases and layer normalisations are decayed too.</summary>
    public bool DecayBiasAndNorm { get; init; }

    /// <summary>The global norm to which gradients are clipped, from 1e-30 to 1e9; null: they are not.</summary>
    public float? ClipNorm { get; init; }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        const float belowOne = 1 - 1e-7f, smallest = 1e-30f;
        Check(nameof(Beta1), Beta1, 0, belowOne);
        Check(nameof(Beta2), Beta2, 0, belowOne);
        Check(nameof(Epsilon), Epsilon, smallest, 1);
        Check(nameof(WeightDecay), WeightDecay, 0, 1);
        Check(nameof(ClipNorm), ClipNorm ?? 1, smallest, 1e9f);

        static void Check(string name, float value, float least, float most)
        {
            if (!(value >= least && value <= most))
                throw new ArgumentException(FormattableString.Invariant($"{name} is {value}: it must be from {least} to {most}"));
        }
    }
}

/// <summary>
/// AdamW over the flat buffers of a <see cref="ParameterSet"/>. Its moments lie in the same layout, and the numbers of a step in the
/// backend's memory, so an update is one operation that waits for nothing and can be captured.
/// </summary>
public sealed class AdamW
{
    private readonly ParameterSet _set;
    private readonly AdamWOptions _options;
    private readonly AdamWRuns _runs;
    private readonly Tensor _words, _numbers, _report;

    /// <summary>An optimizer of the parameters that are trained at this moment.</summary>
    /// <param name="set">Filled by <see cref="ParameterSet.FillFlat"/>, with gradients.</param>
    /// <param name="options">The settings.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public AdamW(ParameterSet set, AdamWOptions options)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        (_set, _options) = (set, options);
        (FirstMoment, SecondMoment) = (set.AllocateFlat(), set.AllocateFlat());
        var runs = new List<AdamWRun>();
        foreach (Parameter p in set.Parameters)
            if (p.TiedTo is null && p.IsTrained) Add(runs, p);
        _runs = new AdamWRuns(CollectionsMarshal.AsSpan(runs), set.Gradients.Count);
        _words = set.Arena.Rent(new Shape(_runs.Words.Length), DType.I32);
        set.Backend.Upload(_runs.Words, _words);
        (_numbers, _report) = (set.Arena.Rent(new Shape(AdamWStep.Count), DType.F32), set.Arena.Rent(new Shape(2), DType.F64));
    }

    /// <summary>The first moments, in the layout of <see cref="ParameterSet.Values"/>.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>The second moments, likewise.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Steps taken.</summary>
    public int Steps { get; set; }

    /// <summary>Clips the gradients, updates the parameters and sets the gradients to 0.</summary>
    /// <param name="learningRate">The step's learning rate.</param>
    /// <param name="norm">The global norm of the gradients before clipping.</param>
    /// <returns>Whether a step was taken: with a norm that is not finite the parameters stay as they are.</returns>
    public bool Step(double learningRate, out double norm)
    {
        Prepare(learningRate);
        Update(losses: default);
        return Finish(out norm);
    }

    /// <summary>The first part of a step: gives the backend its numbers.</summary>
    /// <param name="learningRate">The step's learning rate.</param>
    public void Prepare(double learningRate) => _set.Backend.Upload<AdamWStep>(
        [AdamWStep.Of((float)learningRate, _options.Beta1, _options.Beta2, _options.Epsilon, _options.WeightDecay, Steps + 1,
            _options.ClipNorm)], _numbers);

    /// <summary>The second part: the update itself, without waiting for anything. It may be captured.</summary>
    /// <param name="losses">F64: sums of losses, all of which must be finite; or absent.</param>
    public void Update(Tensor losses) =>
        _set.Backend.Run(new AdamWUpdate(
            _numbers, _runs, _words, _set.Values, _set.Gradients, FirstMoment, SecondMoment, losses, _set.Rounded, _report));

    /// <summary>The last part: waits, and counts the step.</summary>
    /// <param name="norm">The norm before clipping; NaN where a loss was not finite.</param>
    /// <returns>Whether the step was taken.</returns>
    public bool Finish(out double norm)
    {
        Span<double> report = stackalloc double[2];
        _set.Backend.Download(_report, report);
        norm = report[0];
        bool taken = report[1] != 0;
        Steps += taken ? 1 : 0;
        return taken;
    }

    private void Add(List<AdamWRun> runs, Parameter p)
    {
        bool decays = _options.WeightDecay != 0
            && (_options.DecayBiasAndNorm || p.Kind is not (ParameterKind.Bias or ParameterKind.NormWeight or ParameterKind.NormBias));
        if (runs.Count > 0 && runs[^1] is var (start, count, before) && before == decays
            && p.Offset - (start + count) is >= 0 and < ParameterSet.Alignment
            && p.Offset + p.Shape.Count - start <= int.MaxValue)
            runs[^1] = new(start, (int)(p.Offset + p.Shape.Count - start), decays);
        else runs.Add(new(p.Offset, (int)p.Shape.Count, decays));
    }
}
