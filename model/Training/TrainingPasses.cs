using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Dnabert2.Training;

/// <summary>
/// The passes of training steps and their end: forward, backward, and after the last one of a step the update of the parameters. None
/// waits for the one before; only the end of the step is waited for. Passes whose shapes repeat are captured where the backend can.
/// </summary>
internal sealed class TrainingPasses : IDisposable
{
    private readonly Dnabert2Model _model;
    private readonly bool _recompute;
    private readonly Func<Batch, Variable> _objective;
    private readonly Func<Tensor> _pass;
    private readonly Arena _state, _activations, _gradients;
    private readonly GraphCache<PassShape> _graphs;
    private readonly RoundedBatch _rounded;
    private readonly Tensor _lossSums;
    private readonly double[] _losses;
    private Batch _batch;
    private Tensor _place;
    private bool _updates;

    /// <summary>Passes of a model that is laid out for training, to which gradients are given here.</summary>
    /// <param name="model">The model.</param>
    /// <param name="optimizer">The settings of the optimizer.</param>
    /// <param name="recompute">See <see cref="Tape.Recompute"/>.</param>
    /// <param name="mostPasses">The most passes of a step.</param>
    /// <param name="objective">The losses of a batch, from what was uploaded for it. It only launches operations.</param>
    public TrainingPasses(Dnabert2Model model, AdamWOptions optimizer, bool recompute, int mostPasses, Func<Batch, Variable> objective)
    {
        (_model, _recompute, _objective, _pass) = (model, recompute, objective, Pass);
        model.Parameters.AllocateGradients();
        Optimizer = new AdamW(model.Parameters, optimizer);
        (_state, _activations, _gradients) = (new Arena(model.Backend), new Arena(model.Backend), new Arena(model.Backend));
        (_graphs, _rounded) = (new GraphCache<PassShape>(model.Backend), new RoundedBatch(model.Backend));
        _lossSums = _state.Rent(new Shape(mostPasses), DType.F64);
        _losses = new double[mostPasses];
        Tape = Tape.ForTraining(_activations, _gradients, recompute);
    }

    public AdamW Optimizer { get; }

    /// <summary>The tape of the present pass.</summary>
    public Tape Tape { get; private set; }

    /// <summary>Passes that were replayed.</summary>
    public long Replays => _graphs.Replays;

    /// <summary>The most bytes that activations, and their gradients, have taken; see <see cref="TrainingMemory"/>.</summary>
    public (long Activations, long Gradients) Memory => (_activations.HighWater, _gradients.HighWater);

    /// <summary>Begins a step.</summary>
    public void Begin(double learningRate)
    {
        Optimizer.Prepare(learningRate);
        _model.Backend.Clear(_lossSums);
    }

    /// <summary>Begins a pass: uploads its batch, after which come its targets (<see cref="Upload{T}"/>).</summary>
    /// <param name="seed">The seed of dropout.</param>
    /// <param name="number">The number of the pass: every pass draws masks of its own.</param>
    /// <param name="place">Its number within the step.</param>
    /// <param name="ids">The token ids.</param>
    /// <param name="lengths">The number of tokens of each sequence.</param>
    public Batch Begin(ulong seed, uint number, int place, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths)
    {
        Tape.Reset(seed, number);
        _place = Upload<int>([place], DType.I32, new Shape(1));
        return _batch = _rounded.Upload(_activations, ids, lengths);
    }

    /// <summary>The number of rows for so many targets; see <see cref="RoundedBatch.Targets"/>.</summary>
    public int Targets(int count) => _rounded.Targets(count);

    /// <summary>Gives the pass what its objective reads.</summary>
    public Tensor Upload<T>(ReadOnlySpan<T> values, DType dtype, Shape shape)
        where T : unmanaged
    {
        Tensor tensor = Tape.Activations.Rent(shape, dtype);
        _model.Backend.Upload(values, tensor);
        return tensor;
    }

    /// <summary>Runs the pass: adds its gradients, and at the end of a step updates the parameters.</summary>
    /// <param name="targets">The rows that the loss looks at.</param>
    /// <param name="last">Whether the step ends with it.</param>
    public void Run(int targets, bool last)
    {
        _updates = last;
        CuSeqlens c = _batch.CuSeqlens;
        _graphs.Run(new PassShape(c.Tokens, c.Sequences, c.Longest, targets, last), _pass);
    }

    /// <summary>Updates the parameters after a step whose last pass had nothing to learn.</summary>
    public void Update() => Optimizer.Update(_lossSums);

    /// <summary>Waits for the end of the step.</summary>
    /// <param name="passes">Its passes.</param>
    /// <param name="norm">The norm of the gradients before clipping; NaN where a loss is not finite.</param>
    /// <param name="losses">The sum of the losses of each pass.</param>
    /// <returns>Whether the parameters were updated.</returns>
    public bool Finish(int passes, out double norm, out ReadOnlySpan<double> losses)
    {
        bool updated = Optimizer.Finish(out norm);
        _model.Backend.Download<double>(_lossSums, _losses);
        losses = _losses.AsSpan(0, passes);
        return updated;
    }

    /// <summary>What to say when a pass did not fit; see <see cref="BatchMemory"/>. The gradients are of no use afterwards.</summary>
    /// <param name="fault">What has happened.</param>
    /// <param name="ids">The token ids of the pass.</param>
    /// <param name="lengths">The tokens of its sequences.</param>
    /// <param name="prepare">Uploads the targets of the first so many sequences and tokens, as for a pass.</param>
    public DeviceMemoryException Explain(DeviceMemoryException fault, int[] ids, int[] lengths, Action<int, int> prepare)
    {
        _graphs.Dispose();
        return BatchMemory.Explain(fault, ids.Length, lengths, [_activations, _gradients], nameof(PretrainOptions.MicroBatchTokens), sequences =>
        {
            using Arena activations = new(_model.Backend), gradients = new(_model.Backend);
            Tape = Tape.ForTraining(activations, gradients, _recompute);
            int tokens = lengths.Take(sequences).Sum();
            var batch = new Batch(activations, ids.AsSpan(0, tokens), lengths.AsSpan(0, sequences));
            prepare(sequences, tokens);
            Tape.Backward(_objective(batch));
            return activations.HighWater + gradients.HighWater;
        });
    }

    public void Dispose()
    {
        _graphs.Dispose();
        _state.Dispose();
        _activations.Dispose();
        _gradients.Dispose();
    }

    private Tensor Pass()
    {
        Variable losses = _objective(_batch);
        _model.Backend.Run(new SumOfLosses(losses.Data, _place, _lossSums));
        Tape.Backward(losses);
        if (_updates) Optimizer.Update(_lossSums);
        return losses.Data;
    }
}
