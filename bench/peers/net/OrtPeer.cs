using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace Peers;

/// <summary>ONNX Runtime on the graphs of onnx_graph.py.</summary>
internal sealed class OrtPeer : IDisposable
{
    private readonly string _graph;
    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();
    /// <summary>The bias of a length, made once per length and kept, as a tuned caller would: [1, heads, length, length].</summary>
    private readonly Dictionary<int, OrtValue> _biases = [];

    private OrtPeer(Options options, string suffix = "")
    {
        _graph = options["--graph"];
        using var settings = new SessionOptions
        {
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            IntraOpNumThreads = options.Threads,
            InterOpNumThreads = 1,
        };
        if (options.Has("--no-prepacking")) settings.AddSessionConfigEntry("session.disable_prepacking", "1");
        _session = new InferenceSession(Path.Combine(options.Work, "onnx", $"{_graph}{suffix}.onnx"), settings);
    }

    public static bool Do(string command, Options options)
    {
        using var peer = new OrtPeer(options, command is "dump" or "real" ? "-padded" : "");
        switch (command)
        {
            case "infer": peer.Infer(options); return true;
            case "dump": peer.Dump(options); return true;
            case "real": peer.Real(options); return true;
            case "start": peer.Start(); return true;
            default: return false;
        }
    }

    public void Dispose()
    {
        foreach (OrtValue bias in _biases.Values) bias.Dispose();
        _run.Dispose();
        _session.Dispose();
    }

    private void Infer(Options options)
    {
        (int batch, int length) = options.Shape;
        int[][] rows = Model117M.TimingRows(batch, length);
        using var inputs = new Inputs(this, rows);
        double check = 0;
        IDisposableReadOnlyCollection<OrtValue>? outputs = null;
        Sampling sample = Sampling.Of(
            () =>
            {
                outputs?.Dispose();
                outputs = Run(inputs);
            },
            options.Seconds);
        check = Model117M.Checksum(outputs![0].GetTensorDataAsSpan<float>(), rows);
        outputs.Dispose();
        Print("infer", Report.Field("shape", options["--shape"]), sample.Json, Report.Rate(Model117M.ForwardFlops(rows), sample),
            Report.Field("checksum", check));
    }

    /// <summary>Hidden states of lines of ids, padded to one batch, as raw float32.</summary>
    private void Dump(Options options)
    {
        int[][] rows = Model117M.ReadIds(options["--ids"]);
        using var inputs = new Inputs(this, rows);
        using IDisposableReadOnlyCollection<OrtValue> outputs = Run(inputs);
        ReadOnlySpan<float> hidden = outputs[0].GetTensorDataAsSpan<float>();
        File.WriteAllBytes(options["--out"], MemoryMarshal.AsBytes(hidden));
        Print("dump", Report.Field("checksum", Model117M.Checksum(hidden, rows)));
    }

    /// <summary>Padded batches of real sequences.</summary>
    private void Real(Options options)
    {
        int[][] rows = Model117M.ReadIds(options["--ids"], options.Number("--rows", 1024));
        int batch = options.Number("--batch", 16);
        if (options.Has("--sorted")) rows = [.. rows.OrderBy(row => row.Length)];
        foreach (int[] row in rows) Alibi(row.Length); // of every length, before the clock starts
        double total = 0;
        // Warm-up: the largest batch there will be, so that the arena has its size.
        int[] longest = rows.MaxBy(row => row.Length)!;
        Pooled([.. Enumerable.Repeat(longest, Math.Min(batch, rows.Length))]);
        Sampling sample = Sampling.Of(
            () => total = rows.Chunk(batch).Sum(part => Pooled(part) * part.Length), seconds: 0, warmup: 0);
        int tokens = rows.Sum(row => row.Length);
        Print("real", Report.Field("shape", $"{rows.Length} rows of {Path.GetFileName(options["--ids"])}"), sample.Json,
            Report.Field("tokens", tokens), Report.Field("tokens_per_s", Math.Round(tokens / sample.Milliseconds * 1000)),
            Report.Rate(Model117M.ForwardFlops(rows), sample), Report.Field("checksum", total / rows.Length));
    }

    /// <summary>The first embedding, for timing from outside the process.</summary>
    private void Start()
    {
        int[][] rows = Model117M.TimingRows(1, 128);
        Print("start", Report.Field("shape", "1x128"), Report.Field("ms", 0), Report.Field("checksum", Pooled(rows)));
    }

    private double Pooled(int[][] rows)
    {
        using var inputs = new Inputs(this, rows);
        using IDisposableReadOnlyCollection<OrtValue> outputs = Run(inputs);
        return Model117M.Checksum(outputs[0].GetTensorDataAsSpan<float>(), rows);
    }

    private IDisposableReadOnlyCollection<OrtValue> Run(Inputs inputs) => _session.Run(_run, inputs.Values, _session.OutputNames);

    private OrtValue Alibi(int length)
    {
        if (!_biases.TryGetValue(length, out OrtValue? bias))
        {
            bias = OrtValue.CreateTensorValueFromMemory(Model117M.Alibi(length), [1, Model117M.Heads, length, length]);
            _biases.Add(length, bias);
        }

        return bias;
    }

    private void Print(string command, params string[] fields) => Report.Print("ort-" + _graph, command, fields);

    /// <summary>Inputs for rows of ids, padded to the longest where the graph takes padding.</summary>
    private sealed class Inputs : IDisposable
    {
        private readonly List<OrtValue> _owned = [];

        public Inputs(OrtPeer peer, int[][] rows)
        {
            long[] ids = Model117M.Padded(rows, out int length);
            Add("ids", ids, [rows.Length, length]);
            Values.Add("alibi", peer.Alibi(length));
            if (peer._session.InputNames.Contains("mask"))
            {
                var mask = new float[rows.Length * length];
                for (int b = 0; b < rows.Length; b++)
                    mask.AsSpan((b * length) + rows[b].Length, length - rows[b].Length).Fill(Model117M.NoScore);
                Add("mask", mask, [rows.Length, 1, 1, length]);
            }

            if (peer._session.InputNames.Contains("lengths"))
                Add("lengths", rows.Select(row => row.Length).ToArray(), [rows.Length]);
        }

        public Dictionary<string, OrtValue> Values { get; } = [];

        public void Dispose()
        {
            foreach (OrtValue value in _owned) value.Dispose();
        }

        private void Add<T>(string name, T[] data, long[] shape)
            where T : unmanaged
        {
            var value = OrtValue.CreateTensorValueFromMemory(data, shape);
            _owned.Add(value);
            Values.Add(name, value);
        }
    }
}
