using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>
/// Runs the operations of a model and, in training, records them: entries lie in a preallocated list, and their order is a topological
/// order of the graph, so the backward pass reads the list from its end. Results are rented from an arena and live until
/// <see cref="Reset"/>.
/// </summary>
public sealed class Tape
{
    private readonly List<TapeEntry> _entries = [];
    private readonly List<Tensor> _gradients = [];
    private readonly Stack<(ArenaMark Mark, Tensor Gradient)> _scopes = new();
    private readonly Arena _gradientArena;
    private Tensor _stream;
    private bool _recording;

    private Tape(Arena activations, Arena gradients, bool training)
    {
        (Activations, _gradientArena, IsTraining, _recording) = (activations, gradients, training, training);
        if (training) Begin(0, 0);
    }

    /// <summary>Where results live.</summary>
    public Arena Activations { get; }

    /// <summary>Where operations run.</summary>
    public Backend Backend => Activations.Backend;

    /// <summary>Whether operations are recorded and dropout is applied.</summary>
    public bool IsTraining { get; }

    /// <summary>Whether segments keep only their operand and run again in the backward pass: less memory for a third more work.</summary>
    public bool Recompute { get; init; }

    /// <summary>A tape that computes and forgets.</summary>
    /// <param name="activations">Where results live.</param>
    public static Tape ForInference(Arena activations) => new(activations, activations, training: false);

    /// <summary>A tape that records.</summary>
    /// <param name="activations">Where results live until <see cref="Reset"/>.</param>
    /// <param name="gradients">Where gradients of results live during the backward pass; another arena.</param>
    /// <param name="recompute">See <see cref="Recompute"/>.</param>
    public static Tape ForTraining(Arena activations, Arena gradients, bool recompute = false) =>
        ReferenceEquals(activations, gradients)
            ? throw new ArgumentException("activations and gradients need an arena each")
            : new(activations, gradients, training: true) { Recompute = recompute };

    /// <summary>Forgets everything and takes back all memory.</summary>
    /// <param name="seed">The seed of dropout.</param>
    /// <param name="step">The number of the forward pass: every pass draws other masks.</param>
    public void Reset(ulong seed = 0, uint step = 0)
    {
        _entries.Clear();
        _gradients.Clear();
        Activations.Reset();
        _gradientArena.Reset();
        if (IsTraining) Begin(seed, step);
    }

    /// <summary>Uninitialised memory for a result, in the type of activations.</summary>
    public Tensor Rent(int rows, int width) => Rent(rows, width, Backend.ActivationType);

    /// <summary>Uninitialised memory for a result in another type: statistics, and the heads of few outputs, are F32.</summary>
    public Tensor Rent(int rows, int width, DType dtype) => Activations.Rent(new Shape(rows, width), dtype);

    /// <summary>
    /// I32 [3]: the seed of dropout, lower and upper word, and the number of the pass. The sites that draw, and their backward passes,
    /// read it from memory: a recorded pass draws anew where it is run again.
    /// </summary>
    public Tensor Stream => IsTraining ? _stream : throw new InvalidOperationException("dropout is for training");

    /// <summary>A number in the backend's memory, valid until <see cref="Reset"/>.</summary>
    /// <returns>F32 [1].</returns>
    public Tensor Number(float value)
    {
        Tensor number = Activations.Rent(new Shape(1), DType.F32);
        Backend.Upload<float>([value], number);
        return number;
    }

    /// <summary>A variable whose gradient is wanted.</summary>
    public Variable Track(Tensor tensor)
    {
        _gradients.Add(default);
        return new Variable(tensor, _gradients.Count - 1);
    }

    /// <summary>
    /// Records an operation. Its result is tracked if an operand is, or if the operation has trained parameters.
    /// </summary>
    /// <param name="op">The operation.</param>
    /// <param name="output">Its result.</param>
    /// <param name="a">Its first operand.</param>
    /// <param name="b">Its second operand.</param>
    /// <param name="saved">Tensors that the backward pass needs; they must not be overwritten before.</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <exception cref="NotSupportedException">The operation has no gradient.</exception>
    public Variable Record(
        Op op, Tensor output, Variable a = default, Variable b = default,
        (Tensor, Tensor, Tensor, Tensor) saved = default, CuSeqlens cuSeqlens = default)
    {
        ArgumentNullException.ThrowIfNull(op);
        if (!_recording || !(a.IsTracked || b.IsTracked || op.IsTrained)) return output;
        if (!op.HasGradient) throw new NotSupportedException($"{op.Name} has no gradient");
        Variable y = Track(output);
        _entries.Add(new TapeEntry(op, y, a, b) { Saved = saved, CuSeqlens = cuSeqlens });
        return y;
    }

    /// <summary>Runs a segment.</summary>
    /// <param name="segment">The segment.</param>
    /// <param name="x">Its operand; in inference its memory is reused for the result.</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    public Variable Run(ISegment segment, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(segment);
        if (_recording && !Recompute)
        {
            _entries.Add(new TapeEntry(SegmentStart.Instance, default, x, default));
            Variable y = segment.Forward(this, x, cuSeqlens);
            // Nothing is recorded where nothing is trained.
            if (y.IsTracked) _entries.Add(new TapeEntry(SegmentEnd.Instance, y, x, default));
            else _entries.RemoveAt(_entries.Count - 1);
            return y;
        }

        bool recording = _recording;
        Tensor result = recording ? Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType) : x.Data;
        ArenaMark mark = Activations.Mark();
        _recording = false;
        Tensor forward = segment.Forward(this, x, cuSeqlens).Data;
        if (!forward.IsSameAs(result)) Backend.Copy(forward, result);
        _recording = recording;
        Activations.Reset(mark);
        if (!recording) return result;
        Variable kept = Track(result);
        _entries.Add(new TapeEntry(Recomputation.Instance, kept, x, default) { Segment = segment, CuSeqlens = cuSeqlens });
        return kept;
    }

    /// <summary>The backward pass from a loss, whose gradient is its own affair.</summary>
    /// <exception cref="InvalidOperationException">Nothing that is trained leads to the loss.</exception>
    public void Backward(Variable loss) => Backward(loss, default);

    /// <summary>The backward pass from a variable with a given gradient.</summary>
    /// <param name="y">The variable.</param>
    /// <param name="gradient">Its gradient; overwritten.</param>
    /// <exception cref="InvalidOperationException">Nothing that is trained leads to the variable.</exception>
    public void Backward(Variable y, Tensor gradient)
    {
        if (!y.IsTracked) throw new InvalidOperationException("nothing that is trained leads to the loss");
        _gradients[y.Id] = gradient;
        BackwardFrom(_entries.Count - 1, 0, y.Id);
    }

    /// <summary>The gradient of a variable; absent if none has flowed to it.</summary>
    public Tensor GradientOf(Variable variable) => _gradients[variable.Id];

    /// <summary>Where to put a gradient of an operand.</summary>
    /// <param name="operand">A tracked variable.</param>
    /// <param name="gradient">The memory.</param>
    /// <returns>Whether there is a gradient already, to which to add; otherwise the memory is uninitialised.</returns>
    public bool Accumulate(Variable operand, out Tensor gradient)
    {
        gradient = _gradients[operand.Id];
        if (!gradient.IsAbsent) return true;
        gradient = _gradients[operand.Id] = RentGradient(operand.Data.Shape, operand.Data.DType);
        return false;
    }

    /// <summary>Gives a buffer to an operand as its gradient, or adds it to the one it has. Does nothing for constants.</summary>
    public void Pass(Variable operand, Tensor gradient)
    {
        if (!operand.IsTracked) return;
        Tensor present = _gradients[operand.Id];
        if (present.IsAbsent) _gradients[operand.Id] = gradient;
        else Backend.Run(new Add(present, gradient, present));
    }

    /// <summary>Memory for an intermediate result of the backward pass.</summary>
    public Tensor RentGradient(Shape shape, DType dtype) => _gradientArena.Rent(shape, dtype);

    private void Begin(ulong seed, uint step)
    {
        _stream = Activations.Rent(new Shape(3), DType.I32);
        Backend.Upload<uint>([(uint)seed, (uint)(seed >> 32), step], _stream);
    }

    private void BackwardFrom(int last, int first, int loss)
    {
        for (int i = last; i >= first; i--)
        {
            TapeEntry entry = _entries[i];
            if (entry.Op is SegmentStart || entry.Output.Id == loss || !_gradients[entry.Output.Id].IsAbsent) entry.Op.Backward(this, entry);
        }
    }

    /// <summary>Begins, in the backward pass: the gradients of the segment's inner results are taken back at its start.</summary>
    private sealed class SegmentEnd : Op
    {
        public static readonly SegmentEnd Instance = new();

        protected internal override void Backward(Tape tape, in TapeEntry entry) =>
            tape._scopes.Push((tape._gradientArena.Mark(), tape.GradientOf(entry.Output)));
    }

    /// <summary>Ends, in the backward pass. The gradient of the operand takes the place of that of the result.</summary>
    private sealed class SegmentStart : Op
    {
        public static readonly SegmentStart Instance = new();

        protected internal override void Backward(Tape tape, in TapeEntry entry)
        {
            (ArenaMark Mark, Tensor Gradient) scope = tape._scopes.Pop();
            if (entry.A.IsTracked && !tape.GradientOf(entry.A).IsAbsent) tape.Keep(entry.A, scope.Gradient);
            tape._gradientArena.Reset(scope.Mark);
        }
    }

    /// <summary>A segment that is run again in the backward pass.</summary>
    private sealed class Recomputation : Op
    {
        public static readonly Recomputation Instance = new();

        protected internal override void Backward(Tape tape, in TapeEntry entry)
        {
            (int entries, int variables) = (tape._entries.Count, tape._gradients.Count);
            ArenaMark activations = tape.Activations.Mark(), gradients = tape._gradientArena.Mark();
            Tensor gradient = tape.GradientOf(entry.Output);
            Variable x = entry.A.IsTracked ? tape.Track(entry.A.Data) : entry.A;
            Variable y = entry.Segment!.Forward(tape, x, entry.CuSeqlens);
            if (y.IsTracked)
            {
                tape._gradients[y.Id] = gradient;
                tape.BackwardFrom(tape._entries.Count - 1, entries, loss: -1);
                if (x.IsTracked)
                {
                    tape.Keep(x, gradient);
                    tape.Pass(entry.A, gradient);
                }
            }

            tape._entries.RemoveRange(entries, tape._entries.Count - entries);
            tape._gradients.RemoveRange(variables, tape._gradients.Count - variables);
            tape.Activations.Reset(activations);
            tape._gradientArena.Reset(gradients);
        }
    }

    /// <summary>Moves the gradient of a variable to a buffer that outlives the present scope.</summary>
    private void Keep(Variable variable, Tensor buffer)
    {
        Tensor gradient = _gradients[variable.Id];
        if (!gradient.IsSameAs(buffer)) Backend.Copy(gradient, buffer);
        _gradients[variable.Id] = buffer;
    }
}
