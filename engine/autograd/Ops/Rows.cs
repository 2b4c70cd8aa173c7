using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>Picks rows, each at most once: only masked tokens go through the head of a language model.</summary>
public sealed class GatherRows : Op
{
    /// <summary>The operation.</summary>
    public static GatherRows Instance { get; } = new();

    /// <summary>x [n, width], rows I32 [count], distinct → [count, width].</summary>
    public Variable Forward(Tape tape, Variable x, Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(rows.Shape[0], x.Data.Shape[1], x.Data.DType);
        tape.Backend.Run(new GatherRowsForward(x.Data, rows, y));
        return tape.Record(this, y, x, saved: (rows, default, default, default));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        if (!tape.Accumulate(entry.A, out Tensor dx)) tape.Backend.Clear(dx);
        tape.Backend.Run(new GatherRowsBackward(tape.GradientOf(entry.Output), entry.Saved.First, dx));
    }
}

/// <summary>One vector a sequence.</summary>
/// <param name="pooling">How.</param>
public sealed class Pool(Pooling pooling) : Op
{
    /// <summary>The maximum has no gradient.</summary>
    public override bool HasGradient => pooling != Pooling.Max;

    /// <inheritdoc/>
    public override string Name => $"Pool({pooling})";

    /// <summary>x [tokens, width] → [sequences, width].</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(cuSeqlens.Sequences, x.Data.Shape[1], x.Data.DType);
        tape.Backend.Run(new PoolingForward(x.Data, cuSeqlens, pooling, y));
        return tape.Record(this, y, x, cuSeqlens: cuSeqlens);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        bool accumulate = tape.Accumulate(entry.A, out Tensor dx);
        tape.Backend.Run(new PoolingBackward(tape.GradientOf(entry.Output), entry.CuSeqlens, pooling, accumulate, dx));
    }
}

/// <summary>Numbers in F32, where activations are of another type: a head of few outputs begins with it.</summary>
public sealed class ToFloat32 : Op
{
    /// <summary>The operation.</summary>
    public static ToFloat32 Instance { get; } = new();

    /// <summary>[rows, width] → the same in F32.</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(x.Data.Shape[0], x.Data.Shape[1], DType.F32);
        tape.Backend.Run(new Cast(x.Data, y));
        return tape.Record(this, y, x);
    }

    /// <summary>The same as <see cref="Forward"/>; where x is in F32 the result is x itself.</summary>
    public Variable ForwardInPlace(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return x.Data.DType == DType.F32 ? x : Forward(tape, x);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dx = tape.RentGradient(entry.A.Data.Shape, entry.A.Data.DType);
        tape.Backend.Run(new Cast(tape.GradientOf(entry.Output), dx));
        tape.Pass(entry.A, dx);
    }
}

/// <summary>The hyperbolic tangent.</summary>
public sealed class Tanh : Op
{
    /// <summary>The operation.</summary>
    public static Tanh Instance { get; } = new();

    /// <summary>[rows, width] → [rows, width].</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return Forward(tape, x, tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType));
    }

    /// <summary>
    /// The same as <see cref="Forward(Tape, Variable)"/>; in inference the result takes the place of x, which nothing may read afterwards.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return tape.IsTraining ? Forward(tape, x) : Forward(tape, x, x.Data);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        bool accumulate = tape.Accumulate(entry.A, out Tensor dx);
        tape.Backend.Run(new TanhBackward(entry.Output.Data, tape.GradientOf(entry.Output), accumulate, dx));
    }

    private Variable Forward(Tape tape, Variable x, Tensor y)
    {
        tape.Backend.Run(new TanhForward(x.Data, y));
        return tape.Record(this, y, x);
    }
}

/// <summary>Rows of two results, one after the other.</summary>
public sealed class ConcatRows : Op
{
    /// <summary>The operation.</summary>
    public static ConcatRows Instance { get; } = new();

    /// <summary>x [n, width], z [m, width] → [n + m, width].</summary>
    public Variable Forward(Tape tape, Variable x, Variable z)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(x.Data.Shape[0] + z.Data.Shape[0], x.Data.Shape[1], x.Data.DType);
        tape.Backend.Copy(x.Data, y.Slice(0, x.Data.Shape));
        tape.Backend.Copy(z.Data, y.Slice(x.Data.Count, z.Data.Shape));
        return tape.Record(this, y, x, z);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output);
        tape.Pass(entry.A, dy.Slice(0, entry.A.Data.Shape));
        // Where rows are short the second part begins at no address that kernels read from.
        Tensor dz = tape.RentGradient(entry.B.Data.Shape, dy.DType);
        tape.Backend.Copy(dy.Slice(entry.A.Data.Count, entry.B.Data.Shape), dz);
        tape.Pass(entry.B, dz);
    }
}
