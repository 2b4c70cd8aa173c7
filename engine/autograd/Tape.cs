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
    private readonly Stack<Scope> _scopes = new();
    private readonly Arena _gradientArena;
    private Tensor _randomState, _passed;
    private bool _recording, _isSpent;

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

    /// <summary>Sees the probabilities of attention; null: no one does.</summary>
    internal IAttentionObserver? AttentionObserver { get; private init; }

    /// <summary>A tape that computes and forgets.</summary>
    /// <param name="activations">Where results live.</param>
    /// <param name="observer">Sees the probabilities of attention, in passes of one sequence; null: no one does.</param>
    public static Tape ForInference(Arena activations, IAttentionObserver? observer = null) =>
        new(activations, activations, training: false) { AttentionObserver = observer };

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
        _scopes.Clear();
        _isSpent = false;
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
    /// read it from memory: a captured pass draws anew each time it is replayed.
    /// </summary>
    public Tensor RandomState => IsTraining ? _randomState : throw new InvalidOperationException("dropout is for training");

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
    /// <param name="c">Its third operand.</param>
    /// <param name="keyCuSeqlens">The borders of the sequences of keys.</param>
    /// <exception cref="NotSupportedException">The operation has no gradient.</exception>
    public Variable Record(
        Op op, Tensor output, Variable a = default, Variable b = default,
        (Tensor, Tensor, Tensor, Tensor) saved = default, CuSeqlens cuSeqlens = default, Variable c = default,
        CuSeqlens keyCuSeqlens = default)
    {
        ArgumentNullException.ThrowIfNull(op);
        if (!_recording || !(a.IsTracked || b.IsTracked || c.IsTracked || op.IsTrained)) return output;
        if (!op.HasGradient) throw new NotSupportedException($"{op.Name} has no gradient");
        Variable y = Track(output);
        _entries.Add(new TapeEntry(op, y, a, b) { C = c, Saved = saved, CuSeqlens = cuSeqlens, KeyCuSeqlens = keyCuSeqlens });
        return y;
    }

    /// <summary>Runs a segment. In inference it works on a copy of its operand.</summary>
    /// <param name="segment">The segment.</param>
    /// <param name="x">Its operand.</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    public Variable Run(ISegment segment, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(segment);
        if (IsTraining) return RunInTraining(segment, x, cuSeqlens);
        Tensor copy = Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType);
        Backend.Copy(x.Data, copy);
        return RunInPlace(segment, copy, cuSeqlens);
    }

    /// <summary>The same as <see cref="Run"/>; in inference the result takes the place of x.</summary>
    /// <param name="segment">The segment.</param>
    /// <param name="x">Its operand; nothing may read it afterwards.</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    public Variable RunInPlace(ISegment segment, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(segment);
        if (IsTraining) return RunInTraining(segment, x, cuSeqlens);
        ArenaMark mark = Activations.Mark();
        Tensor y = segment.Forward(this, x, cuSeqlens).Data;
        if (!y.IsSameAs(x.Data)) Backend.Copy(y, x.Data);
        Activations.Reset(mark);
        return x.Data;
    }

    /// <summary>The backward pass from a loss, whose gradient is its own affair.</summary>
    /// <exception cref="InvalidOperationException">
    /// Nothing that is trained leads to the loss; or there was a backward pass since <see cref="Reset"/>, which has used up what was kept.
    /// </exception>
    public void Backward(Variable loss) => Backward(loss, default);

    /// <summary>The backward pass from a variable with a given gradient.</summary>
    /// <param name="y">The variable.</param>
    /// <param name="gradient">Its gradient; overwritten.</param>
    /// <exception cref="InvalidOperationException">
    /// Nothing that is trained leads to the variable; or there was a backward pass since <see cref="Reset"/>, which has used up what was
    /// kept.
    /// </exception>
    public void Backward(Variable y, Tensor gradient)
    {
        if (!y.IsTracked) throw new InvalidOperationException("nothing that is trained leads to the loss");
        if (_isSpent) throw new InvalidOperationException("the backward pass has run already; call Reset and run the forward pass again");
        _isSpent = true;
        _gradients[y.Id] = gradient;
        BackwardFrom(_entries.Count - 1, 0, y.Id);
    }

    /// <summary>
    /// The gradient of a variable; absent if none has flowed to it. That of an operation's result is absent after the operation's own
    /// backward pass, which may have passed its memory on.
    /// </summary>
    public Tensor GradientOf(Variable variable) => _gradients[variable.Id];

    /// <summary>Where to put a gradient of an operand.</summary>
    /// <param name="operand">A tracked variable.</param>
    /// <param name="gradient">The memory.</param>
    /// <returns>Whether there is a gradient already, to which to add; otherwise the memory is uninitialised.</returns>
    /// <exception cref="NotSupportedException">The operand is from outside of the segment that is gone through.</exception>
    public bool Accumulate(Variable operand, out Tensor gradient)
    {
        gradient = _gradients[operand.Id];
        if (!gradient.IsAbsent) return true;
        ExpectInScope(operand);
        gradient = _gradients[operand.Id] = RentGradient(operand.Data.Shape, operand.Data.DType);
        return false;
    }

    /// <summary>
    /// Gives a buffer to an operand as its gradient, or adds it to the one it has. Does nothing for constants. A buffer may be passed to
    /// both operands; the second one to keep it gets a copy.
    /// </summary>
    /// <exception cref="NotSupportedException">The operand is from outside of the segment that is gone through.</exception>
    public void Pass(Variable operand, Tensor gradient)
    {
        if (!operand.IsTracked) return;
        Tensor present = _gradients[operand.Id];
        if (!present.IsAbsent)
        {
            Backend.Run(new Add(present, gradient, present));
            return;
        }

        ExpectInScope(operand);
        if (gradient.IsSameAs(_passed))
        {
            gradient = RentGradient(operand.Data.Shape, operand.Data.DType);
            Backend.Copy(_passed, gradient);
        }
        else _passed = gradient;
        _gradients[operand.Id] = gradient;
    }

    /// <summary>Memory for an intermediate result of the backward pass.</summary>
    public Tensor RentGradient(Shape shape, DType dtype) => _gradientArena.Rent(shape, dtype);

    private void Begin(ulong seed, uint step)
    {
        _randomState = Activations.Rent(new Shape(3), DType.I32);
        Backend.Upload<uint>([(uint)seed, (uint)(seed >> 32), step], _randomState);
    }

    private Variable RunInTraining(ISegment segment, Variable x, in CuSeqlens cuSeqlens)
    {
        if (_recording && !Recompute)
        {
            int start = _entries.Count, outside = _gradients.Count;
            _entries.Add(new TapeEntry(SegmentStart.Instance, default, x, default));
            Variable y = segment.Forward(this, x, cuSeqlens);
            // Nothing is recorded where nothing is trained.
            if (y.IsTracked) _entries.Add(new TapeEntry(SegmentEnd.Instance, y, x, default) { Start = start, Outside = outside });
            else if (_entries.Count == start + 1) _entries.RemoveAt(start);
            return y;
        }

        bool recording = _recording;
        Tensor result = Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType);
        ArenaMark mark = Activations.Mark();
        _recording = false;
        Tensor forward = segment.Forward(this, x, cuSeqlens).Data;
        Backend.Copy(forward, result);
        _recording = recording;
        Activations.Reset(mark);
        if (!recording) return result;
        Variable kept = Track(result);
        _entries.Add(new TapeEntry(Recomputation.Instance, kept, x, default) { Segment = segment, CuSeqlens = cuSeqlens });
        return kept;
    }

    private void BackwardFrom(int last, int first, int loss)
    {
        for (int i = last; i >= first; i--)
        {
            TapeEntry entry = _entries[i];
            // A segment that does not lead to the loss was not entered.
            bool isReached = entry.Op is SegmentStart
                ? _scopes.TryPeek(out Scope scope) && scope.Start == i
                : entry.Output.Id == loss || !_gradients[entry.Output.Id].IsAbsent;
            if (!isReached) continue;
            if (entry.Op.IsLoss && !_gradients[entry.Output.Id].IsAbsent)
                throw new NotSupportedException(
                    $"{entry.Op.Name} is a loss, whose gradient is its scale; no other operation may follow it");
            _passed = default;
            entry.Op.Backward(this, entry);
            if (entry.Op is not (SegmentStart or SegmentEnd)) _gradients[entry.Output.Id] = default;
        }
    }

    // The memory of a gradient that is rented within a segment is taken back with it, so none may be kept for what lies outside.
    private void ExpectInScope(Variable operand)
    {
        if (_scopes.TryPeek(out Scope scope) && operand.Id < scope.Outside && operand.Id != scope.Operand)
            throw new NotSupportedException(
                "a segment differentiates by its operand and its parameters alone; give it other variables as constants");
    }

    /// <summary>A segment that the backward pass has entered and not left.</summary>
    /// <param name="Start">Its first entry.</param>
    /// <param name="Outside">The number of variables that are older than it.</param>
    /// <param name="Operand">Its operand, or -1.</param>
    /// <param name="Mark">Where the memory of its gradients begins.</param>
    /// <param name="Gradient">The gradient of its result, whose memory outlives it.</param>
    private readonly record struct Scope(int Start, int Outside, int Operand, ArenaMark Mark, Tensor Gradient);

    /// <summary>Begins, in the backward pass: the gradients of the segment's inner results are taken back at its start.</summary>
    private sealed class SegmentEnd : Op
    {
        public static readonly SegmentEnd Instance = new();

        protected internal override void Backward(Tape tape, in TapeEntry entry) => tape._scopes.Push(
            new Scope(entry.Start, entry.Outside, entry.A.Id, tape._gradientArena.Mark(), tape.GradientOf(entry.Output)));
    }

    /// <summary>Ends, in the backward pass. The gradient of the operand takes the place of that of the result.</summary>
    private sealed class SegmentStart : Op
    {
        public static readonly SegmentStart Instance = new();

        protected internal override void Backward(Tape tape, in TapeEntry entry)
        {
            Scope scope = tape._scopes.Pop();
            if (entry.A.IsTracked) tape.Keep(entry.A, scope.Gradient);
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
                tape._scopes.Push(new Scope(entries, variables, x.Id, gradients, gradient));
                tape.BackwardFrom(tape._entries.Count - 1, entries, loss: -1);
                tape._scopes.Pop();
                tape._passed = default;
                if (x.IsTracked && tape.Keep(x, gradient)) tape.Pass(entry.A, gradient);
            }

            tape._entries.RemoveRange(entries, tape._entries.Count - entries);
            tape._gradients.RemoveRange(variables, tape._gradients.Count - variables);
            tape.Activations.Reset(activations);
            tape._gradientArena.Reset(gradients);
        }
    }

    /// <summary>Moves the gradient of a variable, where there is one, to a buffer that outlives the present scope.</summary>
    private bool Keep(Variable variable, Tensor buffer)
    {
        Tensor gradient = _gradients[variable.Id];
        if (gradient.IsAbsent) return false;
        if (!gradient.IsSameAs(buffer)) Backend.Copy(gradient, buffer);
        _gradients[variable.Id] = buffer;
        return true;
    }
}
