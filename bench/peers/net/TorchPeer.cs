using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Peers;

/// <summary>LibTorch through TorchSharp, eager: the model and the training of torch_peer.py.</summary>
internal sealed class TorchPeer : IDisposable
{
    private readonly string _dtype;
    private readonly TorchModel _model;

    private TorchPeer(Options options, bool training)
    {
        set_num_threads(options.Threads);
        _dtype = options.DType;
        _model = new TorchModel(
            Path.Combine(options.Work, "model", "model.safetensors"),
            _dtype == "bf16" ? ScalarType.BFloat16 : ScalarType.Float32, training);
    }

    public static bool Do(string command, Options options)
    {
        if (command is not ("infer" or "dump" or "train" or "golden")) return false;
        using var peer = new TorchPeer(options, training: command is "train" or "golden");
        switch (command)
        {
            case "infer": peer.Infer(options); break;
            case "dump": peer.Dump(options); break;
            case "train": peer.Train(options); break;
            default: peer.Golden(options); break;
        }

        return true;
    }

    public void Dispose() => _model.Dispose();

    private void Infer(Options options)
    {
        (int batch, int length) = options.Shape;
        int[][] rows = Model117M.TimingRows(batch, length);
        using IDisposable mode = inference_mode(true);
        using Tensor ids = Ids(rows), bias = _model.Bias(batch, length);
        Tensor? hidden = null;
        Sampling sample = Sampling.Of(
            () =>
            {
                hidden?.Dispose();
                hidden = _model.Forward(ids, bias);
            },
            options.Seconds);
        Print("infer", Report.Field("shape", options["--shape"]), sample.Json, Report.Rate(Model117M.ForwardFlops(rows), sample),
            Report.Field("checksum", Model117M.Checksum(Values(hidden!), rows)));
    }

    private void Dump(Options options)
    {
        int[][] rows = Model117M.ReadIds(options["--ids"]);
        using IDisposable mode = inference_mode(true);
        using Tensor ids = Ids(rows), bias = _model.Bias(rows.Length, (int)ids.shape[1], [.. rows.Select(row => row.Length)]);
        using Tensor hidden = _model.Forward(ids, bias).to(ScalarType.Float32);
        File.WriteAllBytes(options["--out"], hidden.bytes);
        Print("dump", Report.Field("checksum", Model117M.Checksum(Values(hidden), rows)));
    }

    private void Train(Options options)
    {
        (int batch, int length) = options.Shape;
        int[][] rows = Model117M.TimingRows(batch, length);
        // Every seventh token is masked (14.3 %, near enough to 15), [CLS] and [SEP] never.
        int[] masked = [.. Enumerable.Range(0, batch * length).Where(i => i % 7 == 3 && i % length > 0 && i % length < length - 1)];
        long[] hiddenIds = [.. masked.Select(i => (long)rows[i / length][i % length])];
        foreach (int i in masked) rows[i / length][i % length] = Model117M.Mask;
        using Tensor ids = Ids(rows), bias = _model.Bias(batch, length);
        using Tensor positions = tensor(masked.Select(i => (long)i).ToArray()), targets = tensor(hiddenIds);
        // As the pre-training recipe has it, decay everywhere: the arithmetic is the same with two groups. TorchSharp has no fused one.
        using optim.Optimizer optimizer = optim.AdamW(
            _model.Parameters, lr: 1e-4, beta1: 0.9, beta2: 0.98, eps: 1e-6, weight_decay: 1e-5);
        var losses = new List<double>();
        Sampling sample = Sampling.Of(
            () =>
            {
                using DisposeScope scope = NewDisposeScope();
                optimizer.zero_grad();
                using Tensor loss = _model.MaskedLoss(ids, bias, positions, targets);
                loss.backward();
                optimizer.step();
                losses.Add(loss.item<float>());
            },
            options.Seconds);
        Print("train", Report.Field("shape", options["--shape"]), sample.Json,
            Report.Rate(Model117M.TrainingFlops(rows, masked.Length), sample),
            Report.Field("masked", masked.Length), Report.Field("checksum", losses.Take(3)));
    }

    /// <summary>MLM loss and gradient norms beside the reference.</summary>
    private void Golden(Options options)
    {
        using var reference = JsonDocument.Parse(File.ReadAllBytes(options["--file"]));
        JsonElement root = reference.RootElement;
        int[] lengths = [.. Rows("attention_mask").Select(row => row.Sum())];
        int[][] rows = [.. Rows("input_ids").Zip(lengths, (row, length) => row[..length])];
        int width = lengths.Max();
        // Labels as flattened tokens of the padded batch; what is no target is not positive.
        long[] labels = [.. Rows("mlm_labels").SelectMany(row => row[..width]).Select(label => (long)label)];
        long[] masked = [.. Enumerable.Range(0, labels.Length).Where(i => labels[i] > 0)];
        using Tensor ids = Ids(rows), bias = _model.Bias(rows.Length, width, lengths);
        using Tensor positions = tensor(masked), targets = tensor(masked.Select(i => labels[i]).ToArray());
        using Tensor loss = _model.MaskedLoss(ids, bias, positions, targets);
        loss.backward();
        IEnumerable<string> norms = root.GetProperty("grad_mlm_l2").EnumerateObject()
            .Where(norm => _model.Has(norm.Name)).Select(norm =>
                $"\"{norm.Name}\":[{_model[norm.Name].grad!.to(ScalarType.Float64).norm().item<double>():R},{norm.Value.GetDouble():R}]");
        Print("golden", Report.Field("mlm_loss", loss.item<float>()),
            Report.Field("mlm_loss_reference", root.GetProperty("mlm_loss").GetDouble()),
            $"\"gradient_norms\":{{{string.Join(',', norms)}}}");

        int[][] Rows(string name) =>
            [.. root.GetProperty(name).EnumerateArray().Select(row => row.EnumerateArray().Select(id => id.GetInt32()).ToArray())];
    }

    /// <summary>[rows, length], padded.</summary>
    private static Tensor Ids(int[][] rows) => tensor(Model117M.Padded(rows, out int length), [rows.Length, length]);

    private static ReadOnlySpan<float> Values(Tensor hidden) => hidden.to(ScalarType.Float32).data<float>().ToArray();

    private void Print(string command, params string[] fields) => Report.Print("torchsharp-" + _dtype, command, fields);
}
