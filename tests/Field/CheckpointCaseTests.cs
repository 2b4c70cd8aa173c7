using System.Buffers.Binary;
using Tests.Tools;
using Tests.Training;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Case r-06: a checkpoint with flipped bits or NaN.</summary>
public sealed class CheckpointCaseTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_checkpoint_with_flipped_bits_or_NaN_is_not_resumed(bool nan)
    {
        SharedData.Path("cases/r-06-damaged-checkpoint-resumed");
        string samples = Path.Combine(SharedData.Checkout, "tools/dnabert2/samples");
        string[] arguments =
        [
            "pretrain", Path.Combine(samples, "sample.fa"), "--tokenizer", Path.Combine(samples, "tokenizer.json"), "-o", _folder["run"],
            .. ("--resume --hidden 32 --layers 2 --heads 2 --intermediate 64 --batch 8 --warmup 5 --max-bases 100 --held-out 0.2 " +
                "--evaluate-every 7 --checkpoint-every 3 --steps 15 --threads 1 -q").Split(' '),
        ];
        ToolRun.Of(arguments).Succeeds();
        Directory.Delete(_folder["run/checkpoints/step-00000015"], recursive: true);
        string weights = _folder["run/checkpoints/step-00000012/model.safetensors"];
        byte[] bytes = File.ReadAllBytes(weights);
        int data = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        bytes[data + 10_003] ^= 0x40;
        if (nan) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(data + 2000), float.NaN);
        File.WriteAllBytes(weights, bytes);
        SortedDictionary<string, byte[]> before = Toy.Files(_folder["run"]);
        ToolRun run = ToolRun.Of(arguments);
        Assert.Equal(1, run.Code);
        Assert.Matches("step-00000012/model.safetensors was altered.*delete its folder to resume from the one before", run.Error);
        Assert.Equal(before, Toy.Files(_folder["run"]));
        Directory.Delete(_folder["run/checkpoints/step-00000012"], recursive: true);
        Directory.CreateDirectory(_folder["run/checkpoints"]);
        ToolRun.Of(arguments).Succeeds();
    }
}
