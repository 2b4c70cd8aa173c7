using System.Runtime.InteropServices;
using Dnabert2.Data;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Collectives;
using Engine.Runtime.Cuda;

namespace Dnabert2.Training;

/// <summary>What a model is trained for: the targets of a micro-batch, and the losses. It only launches operations.</summary>
internal interface IObjective
{
    /// <summary>
    /// Uploads the targets of a micro-batch by <see cref="TrainingPasses.Upload{T}"/>, padded to the shapes of its batch.
    /// </summary>
    /// <returns>The rows that the loss looks at.</returns>
    int Upload(TrainingPasses passes, in MicroBatch micro, in Batch batch);

    /// <summary>Uploads as many targets as the first sequences of the last micro-batch have, to measure the memory of a pass.</summary>
    void UploadSample(TrainingPasses passes, int sequences, int tokens);

    /// <summary>The losses of a batch whose targets were uploaded.</summary>
    Variable Losses(Tape tape, in Batch batch);
}

/// <summary>
/// The passes of training steps and their end: forward, backward, and after the last one of a step the update of the parameters. None
/// waits for the one before; only the end of the step is waited for. Passes whose shapes repeat are captured where the backend can.
/// </summary>
internal sealed class TrainingPasses : IDisposable
{
    private readonly SequenceModel _model;
    private readonly bool _recompute;
    private readonly ulong _seed;
    private readonly Func<Tensor> _pass;
    private readonly Arena _state, _activations, _gradients;
    private readonly GraphCache<PassShape> _graphs;
    private readonly RoundedBatch _rounded;
    private readonly Tensor _lossSums;
    private readonly double[] _losses;
    private readonly TreeSum? _sum;
    private readonly Communicator? _ranks;
    private IObjective? _objective;
    private Batch _batch;
    private Tensor _place;
    private long _firstSample;
    private int _passes;
    private bool _updates;

    /// <summary>Passes of a model that is laid out for training, to which gradients are given here.</summary>
    /// <param name="model">The model.</param>
    /// <param name="optimizer">The settings of the optimizer.</param>
    /// <param name="recompute">See <see cref="Tape.Recompute"/>.</param>
    /// <param name="mostPasses">The most passes of a step.</param>
    /// <param name="seed">The seed of dropout.</param>
    /// <param name="shards">Parts of a step, whose gradients are added up each by itself and then in one order.</param>
    /// <param name="ranks">Who computes them; null: this process alone.</param>
    /// <param name="cutsRows">Whether rows of more tokens than the model takes are cut into windows, where it classifies these.</param>
    /// <exception cref="ArgumentException">There are more ranks than shards, or shards of a model that needs the batch whole.</exception>
    public TrainingPasses(
        SequenceModel model, AdamWOptions optimizer, bool recompute, int mostPasses, ulong seed, int shards = 1, Communicator? ranks = null,
        bool cutsRows = false)
    {
        (_model, _recompute, _seed, _pass, _ranks) = (model, recompute, seed, Pass, ranks);
        Check(model, shards, ranks);
        model.Parameters.AllocateGradients();
        if (shards > 1) _sum = new TreeSum(model.Backend, model.Parameters.Gradients, shards, ranks);
        Optimizer = new AdamW(model.Parameters, optimizer);
        (_state, _activations, _gradients) = (new Arena(model.Backend), new Arena(model.Backend), new Arena(model.Backend));
        _graphs = new GraphCache<PassShape>(model.Backend);
        _rounded = new RoundedBatch(model, cutsRows);
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
    /// <param name="learningRate">Its learning rate.</param>
    /// <param name="firstSample">The number of its first sample in the run.</param>
    public void Begin(double learningRate, long firstSample)
    {
        Optimizer.Prepare(learningRate);
        _model.Backend.Clear(_lossSums);
        (_firstSample, _passes) = (firstSample, 0);
    }

    /// <summary>Runs a pass: adds its gradients, and at the end of a step updates the parameters.</summary>
    /// <param name="micro">The sequences.</param>
    /// <param name="objective">Their targets and losses.</param>
    /// <param name="last">Whether the step ends with it.</param>
    /// <exception cref="DeviceMemoryException">The micro-batch does not fit the GPU; the message says what would.</exception>
    public void Run(in MicroBatch micro, IObjective objective, bool last)
    {
        (_objective, _updates) = (objective, last && _sum is null);
        try
        {
            // Each pass draws dropout masks of its own; its first sample names it, so that a resumed run draws the same.
            Tape.Reset(_seed, (uint)(_firstSample + micro.FirstSequence));
            _place = Upload<int>([_passes++], DType.I32, new Shape(1));
            _batch = _rounded.Upload(_activations, micro.Ids, micro.Lengths);
            int targets = objective.Upload(this, micro, _batch);
            _graphs.Run(PassShape.Of(_batch, targets, _updates), _pass);
        }
        catch (DeviceMemoryException fault)
        {
            throw Explain(fault, [.. micro.Ids], [.. micro.Lengths]);
        }
    }

    /// <summary>Leaves out a pass that has nothing to learn; at the end of a step the parameters are updated all the same.</summary>
    public void Skip(bool last)
    {
        _passes++;
        if (last && _sum is null) Optimizer.Update(_lossSums);
    }

    /// <summary>Whether this rank computes a shard.</summary>
    public bool Owns(int shard) => _sum is null || (shard >= _sum.Own.Start && shard < _sum.Own.End);

    /// <summary>Counts passes of a shard that another rank computes.</summary>
    public void Leave(int passes) => _passes += passes;

    /// <summary>Ends a shard that this rank has computed.</summary>
    public void EndShard(int shard) => _sum?.Take(shard);

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

    /// <summary>Waits for the end of the step.</summary>
    /// <param name="norm">The norm of the gradients before clipping; NaN where a loss is not finite.</param>
    /// <param name="loss">The sum of the losses.</param>
    /// <param name="nonFinite">The first pass whose loss is not finite, or the number of passes.</param>
    /// <returns>Whether the parameters were updated.</returns>
    public bool Finish(out double norm, out double loss, out int nonFinite)
    {
        if (_sum is not null)
        {
            _sum.Finish();
            if (_ranks is not null) GatherLosses(_ranks);
            Optimizer.Update(_lossSums);
        }

        bool updated = Optimizer.Finish(out norm);
        _model.Backend.Download<double>(_lossSums, _losses);
        (loss, nonFinite) = (0, 0);
        while (nonFinite < _passes && double.IsFinite(loss += _losses[nonFinite])) nonFinite++;
        return updated;
    }

    public void Dispose()
    {
        _sum?.Dispose();
        _graphs.Dispose();
        _state.Dispose();
        _activations.Dispose();
        _gradients.Dispose();
    }

    private static void Check(SequenceModel model, int shards, Communicator? ranks)
    {
        const string name = nameof(PretrainOptions.Shards);
        if (shards < ranks?.Size)
            throw new ArgumentException($"{name} is {shards}: {ranks.Size} ranks need as many; give more, or start fewer ranks");
        if (shards > 1 && model.Statistics.Count > 0)
            throw new ArgumentException(
                $"{name} is {shards}: the normalisations of this model are over the whole batch, which one process computes; give 1");
    }

    /// <summary>Gives each rank the losses of all passes; each pass is of one rank, and 0 elsewhere.</summary>
    private void GatherLosses(Communicator ranks)
    {
        _model.Backend.Download<double>(_lossSums, _losses);
        double[] all = new double[_passes * ranks.Size];
        ranks.AllGather(MemoryMarshal.AsBytes(_losses.AsSpan(0, _passes)), MemoryMarshal.AsBytes(all.AsSpan()));
        for (int pass = 0; pass < _passes; pass++)
        {
            _losses[pass] = 0;
            for (int rank = 0; rank < ranks.Size; rank++) _losses[pass] += all[(rank * _passes) + pass];
        }

        _model.Backend.Upload<double>(_losses, _lossSums);
    }

    private Tensor Pass()
    {
        Variable losses = _objective!.Losses(Tape, _batch);
        _model.Backend.Run(new SumOfLosses(losses.Data, _place, _lossSums));
        Tape.Backward(losses);
        _model.NoteStatistics();
        if (_updates) Optimizer.Update(_lossSums);
        return losses.Data;
    }

    // A method of its own, so that what its lambda captures is not allocated in passes that fit. The gradients are of no use afterwards.
    private DeviceMemoryException Explain(DeviceMemoryException fault, int[] ids, int[] lengths)
    {
        _graphs.Dispose();
        return BatchMemory.Explain(
            fault, ids.Length, lengths, [_activations, _gradients], nameof(PretrainOptions.MicroBatchTokens), sequences =>
        {
            using Arena activations = new(_model.Backend), gradients = new(_model.Backend);
            Tape = Tape.ForTraining(activations, gradients, _recompute);
            int tokens = lengths.Take(sequences).Sum();
            Batch batch = _rounded.UploadPlain(activations, ids.AsSpan(0, tokens), lengths.AsSpan(0, sequences));
            _objective!.UploadSample(this, sequences, tokens);
            Tape.Backward(_objective.Losses(Tape, batch));
            return activations.HighWater + gradients.HighWater;
        });
    }
}
