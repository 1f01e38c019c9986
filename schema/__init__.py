"""What a client can say: types, inputs, operations and their documentation; what they mean is in resolvers/."""
