using System.Runtime.InteropServices;
using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Runs an operation on its operands.</summary>
internal delegate Variable RunOperation(OperationInputs inputs, Variable[] operands);

/// <summary>The result of an operation in float64.</summary>
/// <param name="operands">The operands.</param>
/// <param name="parameters">The parameters, in the order of their declaration.</param>
/// <param name="random">The random stream of a site.</param>
internal delegate double[] OperationReference(double[][] operands, double[][] parameters, Func<int, Philox> random);

/// <summary>An operation of the public API at one setting.</summary>
/// <param name="Method">Its method, <c>Type.Method</c>.</param>
/// <param name="Setting">Which setting it is.</param>
/// <param name="Operands">The shapes of its operands, [rows, width].</param>
internal sealed record OperationCase(string Method, string Setting, params (int Rows, int Width)[] Operands)
{
    /// <summary>Declares the parameters and says how the operation is run.</summary>
    public required Func<OperationOwner, RunOperation> Declare { get; init; }

    /// <summary>The result by its definition; null for what is put together of other operations.</summary>
    public OperationReference? Reference { get; init; }

    /// <summary>The operand whose shape the result has; -1: none.</summary>
    public int Like { get; init; } = Operands.Length - 1;

    /// <summary>The operand whose memory the result may take in inference; -1: none.</summary>
    public int InPlace { get; init; } = -1;

    /// <summary>The operand in whose memory the backward pass may put its gradient; -1: none.</summary>
    public int GradientInPlace { get; init; } = -1;

    /// <summary>
    /// Whether its result in training is another one: it draws random numbers, or normalises with the statistics of the batch.
    /// </summary>
    public bool Draws { get; init; }

    /// <summary>Whether the backward pass begins with it; its gradient is <see cref="OperationInputs.LossScale"/> then.</summary>
    public bool IsLoss { get; init; }

    /// <summary>Whether it has a backward pass.</summary>
    public bool HasGradient { get; init; } = true;

    public override string ToString() => $"{Method}, {Setting}";
}

/// <summary>Where an operation declares its parameters, and what else it makes for itself.</summary>
internal sealed class OperationOwner(ParameterSet set, bool isTraining) : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public ParameterSet Set => set;

    public bool IsTraining => isTraining;

    public T Own<T>(T resource)
        where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    public void Dispose()
    {
        foreach (IDisposable resource in _owned) resource.Dispose();
    }
}

/// <summary>The operands and constants of a pass, with what they were when they were given.</summary>
internal sealed class OperationInputs(Tape tape)
{
    public const float LossScale = 0.25f;
    private readonly List<(string Name, Tensor Tensor, byte[] Bytes)> _given = [];

    public Tape Tape => tape;

    /// <summary>An operand; in training its gradient is computed.</summary>
    public Variable Operand(int index, (int Rows, int Width) shape)
    {
        var values = new float[shape.Rows * shape.Width];
        new Philox(17, 0, (uint)index).FillNormal(values, 1);
        Tensor tensor = Give($"operand {index}", new Shape(shape.Rows, shape.Width), DType.F32, values);
        return tape.IsTraining ? tape.Track(tensor) : tensor;
    }

    public Tensor Integers(params int[] values) => Give($"integers {_given.Count}", new Shape(values.Length), DType.I32, values);

    public Tensor Numbers(ReadOnlySpan<int> extents, params float[] values) =>
        Give($"numbers {_given.Count}", new Shape(extents), DType.F32, values);

    public Tensor Scale() => Numbers([1], LossScale);

    public CuSeqlens Borders(params int[] lengths)
    {
        var cuSeqlens = tape.Activations.RentCuSeqlens(lengths);
        Remember("borders", cuSeqlens.Borders);
        return cuSeqlens;
    }

    /// <summary>Watches a tensor that is there already.</summary>
    public void Remember(string name, Tensor tensor) => _given.Add((name, tensor, Bytes(tensor)));

    /// <summary>The operands that are not what they were.</summary>
    /// <param name="except">An operand that may be overwritten; -1: none.</param>
    public string[] Changed(int except = -1) =>
        [.. _given.Where(g => g.Name != $"operand {except}" && !Bytes(g.Tensor).AsSpan().SequenceEqual(g.Bytes)).Select(g => g.Name)];

    public byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.Bytes];
        tape.Backend.Download<byte>(tensor, bytes);
        return bytes;
    }

    public float[] Floats(Tensor tensor) => MemoryMarshal.Cast<byte, float>(Bytes(tensor)).ToArray();

    private Tensor Give<T>(string name, Shape shape, DType dtype, T[] values)
        where T : unmanaged
    {
        Tensor tensor = tape.Activations.Rent(shape, dtype);
        tape.Backend.Upload<T>(values, tensor);
        Remember(name, tensor);
        return tensor;
    }
}
